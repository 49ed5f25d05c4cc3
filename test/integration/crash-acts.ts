/** What is failed and killed, by name: a child process runs the same (crash-actions.ts says on what). */
import type { Repository } from '../../services/repository/context.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { retainAll } from '../../services/repository/upkeep/retention/retention.ts';
import type { Queue } from '../../shared/config/common.ts';
import { collectGarbage } from '../../services/repository/upkeep/gc.ts';

export const DEVEL = { queue: 'devel', product: 'bookworm' };
export const TESTING = { queue: 'testing', product: 'bookworm' };

const sweepDevel = async (repository: Repository): Promise<void> =>
  void (await sweepQueue(repository, DEVEL));
const sweepTesting = async (repository: Repository): Promise<void> =>
  void (await sweepQueue(repository, TESTING));
const carryOut = (repository: Repository): Promise<void> =>
  createQueueProc(repository, () => undefined).run();
const sync = (repository: Repository): Promise<void> => createRqp(repository, { retryFirstMs: 0 }).run();
const collect = async (repository: Repository): Promise<void> =>
  void (await collectGarbage(repository, DEVEL, { graceHours: 0 }));

const keep = (queue: Queue): Queue => ({ ...queue, retention: { versions: 2, days: 0 } });

/** The same repository where each queue keeps two versions of a source. */
export function keepingTwo(repository: Repository): Repository {
  const [first, ...others] = repository.common.queues;
  return { ...repository, common: { ...repository.common, queues: [keep(first), ...others.map(keep)] } };
}
/** Then what is left of the queue, as the service would. */
const retain = async (repository: Repository): Promise<void> => {
  await retainAll(keepingTwo(repository), { queue: 'devel' });
  await sweepDevel(repository);
};

export const ACTS = { sweepDevel, sweepTesting, carryOut, sync, collect, retain };
export type ActName = keyof typeof ACTS;
