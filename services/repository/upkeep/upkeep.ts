/** What the service does by itself to keep queues and pool small: retention, then garbage collection. */
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { collectAll } from './gc.ts';
import { retainAll } from './retention/retention.ts';

/** One run at a time; an error is logged, and the next run is as good as any. `onPublished` tells rqp. */
export function createUpkeep(repository: Repository, onPublished: () => void): Coalesced {
  const run = async (): Promise<void> => {
    const retained = await retainAll(repository);
    if (retained.some((report) => report.generation !== null)) onPublished();
    await collectAll(repository);
  };
  return coalesce(run, (error) => repository.log.error({ err: error }, 'upkeep failed'));
}
