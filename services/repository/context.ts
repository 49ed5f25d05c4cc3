import path from 'node:path';
import type { CommonConfig } from '../../shared/config/common.ts';
import type { Home } from '../../shared/config/home.ts';
import { loadConfig } from '../../shared/config/load.ts';
import { createPool, databaseSection, databaseUrl, type Pool } from '../../shared/database/pool.ts';
import { migrate } from '../../shared/database/migrate.ts';
import { createLogger, type Logger } from '../../shared/log/logger.ts';
import { repositorySection, type RepositoryConfig } from './config.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { keySettings } from './signing/archive-key.ts';
import { createSignerClient } from './signing/client.ts';
import type { Signer } from './signing/signer.ts';

/** What every part of the repository works with; made once by the service or a test. */
export interface Repository {
  home: Home;
  common: CommonConfig;
  config: RepositoryConfig;
  pool: Pool;
  /** For LISTEN connections. */
  databaseUrl: string;
  log: Logger;
  metrics: Metrics;
  signer: Signer;
  /**
   * Called with a step's name after the step is done. Does nothing in the service; tests throw here,
   * which is what kill -9 between two steps looks like to the next run.
   */
  step(name: string): Promise<void>;
  /** The time, for dates of Release and what follows from them; tests may give another. */
  now(): Date;
  close(): Promise<void>;
}

const MIGRATIONS = new URL('migrations', import.meta.url).pathname;

/** Loads the configuration, reaches (or starts) the database and migrates. The signer starts when it is first asked. */
export async function openRepository(log: Logger = createLogger('repository')): Promise<Repository> {
  const { home, sections, ...loaded } = await loadConfig({
    database: databaseSection,
    repository: repositorySection,
  });
  const common = await loaded.common();
  const url = await databaseUrl(sections.database, home);
  await migrate(url, 'repository', MIGRATIONS);
  const pool = createPool(url, 'repository', (error) =>
    log.warn({ err: error }, 'idle database connection broke'),
  );
  const metrics = createMetrics();
  const config = sections.repository;
  const signer = createSignerClient({
    signer:
      config.signerSocket === undefined
        ? { settings: keySettings(home, common.name, config) }
        : { socket: config.signerSocket },
    ...{ requester: whoAsks(), log },
    onRestart: () => metrics.signerRestarts.inc(),
    onSigned: (result) => metrics.signatures.inc({ result }),
  });
  return {
    ...{ home, common, config, pool, databaseUrl: url, log, metrics, signer },
    step: () => Promise.resolve(),
    now: () => new Date(),
    close: async () => {
      await signer.close();
      await pool.end();
    },
  };
}

/** For the signer's audit log: the program, its process and its user. */
function whoAsks(): string {
  const program = path.relative(path.resolve(import.meta.dirname, '../..'), process.argv[1] ?? '');
  return `${program} (process ${String(process.pid)}, user ${String(process.getuid?.())})`;
}
