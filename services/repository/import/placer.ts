/** Places files in a thread of its own: the disk's work, while the database does its own. */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { PlaceOutcome, PlaceScope } from './placer-thread.ts';
import type { ReadFile } from './read-package.ts';
import { askThread, startThread } from '../threads/thread.ts';

/** Copies of the largest archives' files, some thousands at a time, on a slow disk. */
const TIMEOUT_MS = 6 * 60 * 60_000;

export interface Placer {
  /** What became of each item's files, in order; one call at a time. Throws for errors of ours only. */
  place(items: readonly (readonly ReadFile[])[]): Promise<PlaceOutcome[]>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

export function startPlacer(scope: PlaceScope): Placer {
  const module = new URL('./placer-thread.ts', import.meta.url);
  const worker = startThread(module, { data: scope });
  return {
    place: async (items) => {
      const outcomes = await askThread<PlaceOutcome[]>(worker, items, TIMEOUT_MS);
      if (outcomes) return outcomes;
      throw new AppError('import-placing-ended', 'The thread that places files ended', {
        hint: 'Run the import again: what was read and placed is kept.',
      });
    },
    close: async () => {
      await worker.terminate();
    },
  };
}
