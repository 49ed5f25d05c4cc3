/**
 * A process that opens the repository of a test, says that it is ready, does one action when it is told to, and kills
 * itself as hard as can be after a step. Run as `node crash-child.ts`, told by IPC.
 */
import { flushCompileCache } from 'node:module';
import { loadConfig } from '../../shared/config/load.ts';
import { repositorySection } from '../../services/repository/config.ts';
import { attachRepository } from './attach-repository.ts';
import { ACTS, type ActName } from './crash-acts.ts';

export interface Order {
  act: ActName;
  /** Dies after the first step of this name. */
  killAfter: string;
  /** Milliseconds since 1970. */
  clockMs: number;
}

const { home, sections, ...loaded } = await loadConfig({ repository: repositorySection });
const common = await loaded.common();
const state: { order: Order | null } = { order: null };
const repository = await attachRepository(
  { home, common, config: sections.repository, databaseUrl: process.env['DATABASE_URL'] ?? '' },
  {
    step: (name) => {
      if (name === state.order?.killAfter) process.kill(process.pid, 'SIGKILL');
      return Promise.resolve();
    },
    now: () => new Date(state.order?.clockMs ?? Date.now()),
  },
);
await repository.pool.query('select 1');
// For the processes after this one, which will hardly come to its end.
flushCompileCache();

async function obey(order: Order): Promise<void> {
  state.order = order;
  try {
    await ACTS[order.act](repository);
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`${String(error)}\n`);
  }
  await repository.close();
  process.disconnect();
}

process.on('message', (message) => void obey(message as Order));
process.send?.('ready');
