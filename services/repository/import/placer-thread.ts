/** The thread in which files get their names in the pool: items come, what is their fault goes back. */
import { workerData } from 'node:worker_threads';
import { AppError } from '../../../shared/errors/app-error.ts';
import { placeFile, type PlaceMode } from './place-file.ts';
import type { ReadFile } from './read-package.ts';
import { answerAll } from '../threads/thread.ts';

export interface PlaceScope {
  /** Of the import. */
  root: string;
  /** The product's. */
  pool: string;
  mode: PlaceMode;
}

/** Why an item cannot be taken; null when all its files are in the pool. */
export type PlaceOutcome = { code: string; reason: string } | null;

/** What a file can be at fault for; any other error is ours. */
const REFUSALS = ['file-changed', 'file-missing', 'pool-file-differs'];
const { root, pool, mode } = workerData as PlaceScope;

async function placeAll(files: readonly ReadFile[]): Promise<PlaceOutcome> {
  try {
    for (const file of files) await placeFile(root, pool, file, mode);
    return null;
  } catch (error) {
    if (!(error instanceof AppError) || !REFUSALS.includes(error.code)) throw error;
    return { code: error.code, reason: error.message };
  }
}

answerAll(async (items: readonly (readonly ReadFile[])[]) => {
  const outcomes: PlaceOutcome[] = [];
  for (const files of items) outcomes.push(await placeAll(files));
  return outcomes;
});
