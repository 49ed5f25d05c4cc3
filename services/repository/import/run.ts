/**
 * Brings a repository in. Each part repeated gives the same, so a run that is cut off at any instruction and
 * started again ends as if it never had been:
 *
 *   1. every candidate is read and checked in threads, and what was found is kept (no lock, the queue goes on);
 *   2. under the queue's lock: what to take is decided from what the queue holds now, names are claimed, files
 *      placed, packages recorded;
 *   3. one generation.
 *
 * Memory is flat: nothing here holds more than a few thousand packages at a time.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { tryLockFile } from '../../../shared/files/lock.ts';
import type { Repository } from '../context.ts';
import { publish } from '../generations/publish.ts';
import { recover } from '../generations/recover.ts';
import { requireProduct, requireQueue } from '../indexes/release.ts';
import { withQueueLock, type QueueLock } from '../locks.ts';
import type { Candidate, ImportSource, Refused } from './candidate.ts';
import { chooseItems } from './choose.ts';
import type { DecisionScope } from './decide.ts';
import type { PlaceMode } from './place-file.ts';
import { startReaders } from './readers.ts';
import {
  beginRun,
  countItems,
  forgetUnseen,
  knownStamps,
  listRefused,
  storeOutcomes,
  storeRefused,
  type ImportRun,
} from './state.ts';
import { packagesToAdd, takeChosen } from './take.ts';

/** Packages that a thread reads before it answers. */
const BATCH = 256;
/** A publish takes seconds, a large one a minute. */
const LOCK_WAIT_MS = 10 * 60_000;

export type ImportPhase = 'reading' | 'taking' | 'publishing';

export interface ImportOptions {
  queue: string;
  product: string;
  /** Login, or null for the admin of this machine. */
  who: string | null;
  mode: PlaceMode;
  /** Reads, checks and decides, and changes nothing that anybody sees. */
  dryRun: boolean;
  /** `total` null: not known. */
  onProgress?(phase: ImportPhase, done: number, total: number | null): void;
}

export interface ImportReport {
  found: number;
  /** What the queue has of it now (with `dryRun`: would have). */
  taken: number;
  refused: number;
  /** Passed over, since the queue keeps newer versions. */
  older: number;
  /** Packages that came to the queue, and that left it for newer ones. */
  added: number;
  removed: number;
  /** Number of the new generation; null when nothing changed. */
  generation: number | null;
  /** By path, at most `MAX_REPORTED`. */
  problems: Refused[];
}

/** Throws `queue-unknown`, `product-unknown`, `import-running`, `queue-busy`, and errors of ours (disk, database). */
export async function importRepository(
  repository: Repository,
  source: ImportSource,
  options: ImportOptions,
): Promise<ImportReport> {
  await mkdir(repository.home.repository, { recursive: true });
  const lock = await tryLockFile(path.join(repository.home.repository, 'import.lock'), 'exclusive');
  if (!lock)
    throw new AppError('import-running', 'Another import is running; its progress is on its terminal');
  try {
    return await importAlone(repository, source, options);
  } finally {
    await lock.release();
  }
}

async function importAlone(
  repository: Repository,
  source: ImportSource,
  options: ImportOptions,
): Promise<ImportReport> {
  const queue = requireQueue(repository.common, options.queue);
  const product = requireProduct(repository.common, options.product);
  const run = await beginRun(repository.pool, source, options);
  await readAll(repository, run, source, options);
  await forgetUnseen(repository.pool, run);
  await repository.step('import-read');
  const at = { queue: queue.name, product: product.name };
  const changes = options.dryRun
    ? await decideOnly(repository, run, { queue, product })
    : await withQueueLock(repository.pool, { kind: 'publish', ...at, waitMs: LOCK_WAIT_MS }, (lock) =>
        takeAndPublish(repository, lock, run, { source, options, scope: { queue, product } }),
      );
  if (changes === null) {
    throw new AppError('queue-busy', `${at.queue}/${at.product} is being published by another process`, {
      hint: 'Run the import again: what was read is kept.',
    });
  }
  const counts = await countItems(repository.pool, run);
  return { ...counts, ...changes, problems: await listRefused(repository.pool, run) };
}

type Changed = Pick<ImportReport, 'added' | 'removed' | 'generation'>;

async function decideOnly(repository: Repository, run: ImportRun, scope: DecisionScope): Promise<Changed> {
  const leave = await chooseItems(repository.pool, run, scope);
  return { added: 0, removed: leave.length, generation: null };
}

async function takeAndPublish(
  repository: Repository,
  lock: QueueLock,
  run: ImportRun,
  { source, options, scope }: { source: ImportSource; options: ImportOptions; scope: DecisionScope },
): Promise<Changed> {
  await recover(repository, lock);
  const remove = await chooseItems(lock.client, run, scope);
  const { taken: total } = await countItems(lock.client, run);
  await takeChosen(repository, lock, run, {
    root: source.root,
    mode: options.mode,
    onProgress: (done) => options.onProgress?.('taking', done, total),
  });
  const add = await packagesToAdd(lock, run);
  if (add.length === 0 && remove.length === 0) return { added: 0, removed: 0, generation: null };
  options.onProgress?.('publishing', 0, null);
  const { queue, product } = lock;
  const generation = await publish(repository, lock, {
    ...{ queue, product, add, remove, cause: 'import', who: options.who },
    alongside: async (client, { id }) => {
      await client.query('update imports set generation_id = $2, finished_at = now() where id = $1', [
        run.id,
        id,
      ]);
    },
  });
  return { added: add.length, removed: remove.length, generation: generation.number };
}

/** Reads every candidate that changed since the last run. */
async function readAll(
  repository: Repository,
  run: ImportRun,
  source: ImportSource,
  options: ImportOptions,
): Promise<void> {
  const { components } = requireProduct(repository.common, options.product);
  const { contents, contentsSource } = repository.config;
  const scope = { root: source.root, product: options.product, components, contents, contentsSource };
  const readers = startReaders(scope);
  const refused: Refused[] = [];
  const total = await source.count();
  const batches = batchesOf(source.candidates((each) => refused.push(each)));
  let done = 0;
  const work = async (thread: number): Promise<void> => {
    // While a batch is written to the database, the thread reads the next one.
    let writing = Promise.resolve();
    for (let next = await batches.next(); next.done !== true; next = await batches.next()) {
      const batch = next.value;
      const known = await knownStamps(repository.pool, run, batch);
      const tasks = batch.map((candidate) => ({ candidate, knownStamp: known.get(candidate.path) ?? '' }));
      const outcomes = await readers.read(thread, tasks);
      await writing;
      await storeRefused(repository.pool, run, refused.splice(0));
      writing = storeOutcomes(repository.pool, run, batch, outcomes);
      writing.catch(() => undefined); // thrown where it is awaited
      done += batch.length;
      options.onProgress?.('reading', done, total);
    }
    await writing;
  };
  try {
    await Promise.all(Array.from({ length: readers.threads }, (_, thread) => work(thread)));
    await storeRefused(repository.pool, run, refused);
  } finally {
    await readers.close();
  }
}

/** One path once: an index of each architecture lists what is for all. */
async function* batchesOf(candidates: AsyncIterable<Candidate>): AsyncGenerator<Candidate[], undefined> {
  const seen = new Set<string>();
  let batch: Candidate[] = [];
  for await (const candidate of candidates) {
    if (seen.has(candidate.path)) continue;
    seen.add(candidate.path);
    batch.push(candidate);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
