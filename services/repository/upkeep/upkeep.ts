/** What the service does by itself to keep queues and pool small: retention, then garbage collection. */
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { collectAll } from './gc.ts';

/** One run at a time; an error is logged, and the next run is as good as any. */
export function createUpkeep(repository: Repository): Coalesced {
  const run = async (): Promise<void> => {
    await collectAll(repository);
  };
  return coalesce(run, (error) => repository.log.error({ err: error }, 'upkeep failed'));
}
