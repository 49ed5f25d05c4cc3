/**
 * The queue manager of one product in one queue: takes every set that waits, and publishes all that are
 * good as one generation.
 *
 *   row `incoming` -> copied and checked -> names claimed, packages recorded (one transaction) -> into
 *   the pool -> generation, with it the rows `installed` -> folder removed
 *
 * Each step repeated gives the same; a set that fails a check leaves the line to quarantine and never
 * stops the others. An error of ours (disk, database) leaves the set where it is for the next sweep.
 */
import { randomInt } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { settlePaths } from '../../../shared/files/settle.ts';
import type { Repository } from '../context.ts';
import { Holdings } from '../generations/holdings.ts';
import { publish } from '../generations/publish.ts';
import { recover } from '../generations/recover.ts';
import { withQueueLock, type QueueLock } from '../locks.ts';
import { placesOf } from '../places.ts';
import { UNFORESEEN } from '../trouble.ts';
import { checkSets, guarded, type Waiting } from './check-sets.ts';
import { listSets, type SetPlace } from './folder.ts';
import { admit, ADMIT_REFUSALS } from './admit.ts';
import { quarantine } from './quarantine.ts';
import { noteTrouble } from './trouble.ts';
import { decideSet } from './set-rows.ts';

/** Sets in one generation: bounds the disk that copies take; the rest waits for the next one. */
const MAX_SETS_PER_GENERATION = 100;

/**
 * One sweep. True when a generation came of it; false when there was nothing to do or another process is
 * at it. Throws only for errors of ours.
 */
export async function sweepQueue(
  repository: Repository,
  at: { queue: string; product: string },
): Promise<boolean> {
  const swept = await withQueueLock(repository.pool, { kind: 'publish', ...at, waitMs: 0 }, async (lock) => {
    await recover(repository, lock);
    const places = await listSets(repository.home.repositoryIncoming, at.queue, at.product);
    if (places.length === 0) return false;
    const work = path.join(repository.home.repository, 'work', `${at.queue}.${at.product}`);
    await rm(work, { recursive: true, force: true });
    try {
      return await takeSets(repository, lock, places, work);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return swept === true;
}

async function takeSets(
  repository: Repository,
  lock: QueueLock,
  places: SetPlace[],
  work: string,
): Promise<boolean> {
  const together = withoutSuspects(
    await checkSets(repository, places, { work, most: MAX_SETS_PER_GENERATION }),
  );
  together.sort(bySourceThenVersion);
  await asTroubleOf(repository, together, () => settlePaths(together.flatMap(copiesOf), work));
  const holdings = new Holdings(lock);
  const touched = new Set<string>();
  const admitted = await admitAll(repository, holdings, together, touched);
  if (admitted.length === 0) return false;
  await asTroubleOf(repository, admitted, async () => {
    await settlePaths(touched, placesOf(repository.home, lock.queue, lock.product).root);
    await repository.step('sets-in-pool');
    await publishSets(repository, lock, holdings, admitted);
  });
  return true;
}

/** An error in work that sets have in common is noted with each of them, and goes on its way. */
async function asTroubleOf(
  repository: Repository,
  sets: readonly Waiting[],
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const ids = sets.map(({ record }) => record.id);
    await noteTrouble(repository, ids, error);
    throw error;
  }
}

/** The copies of a set's files, and the folders that hold their names. */
function copiesOf({ set }: Waiting): string[] {
  return [...set.files.map(({ taken }) => taken.file), set.work, path.dirname(set.work)];
}

/** One after the other, for each is held against what those before it changed; `touched`: see `placeIntoPool`. */
async function admitAll(
  repository: Repository,
  holdings: Holdings,
  sets: readonly Waiting[],
  touched: Set<string>,
): Promise<Waiting[]> {
  const admitted: Waiting[] = [];
  for (const each of sets) {
    const done = await guarded(repository, each.set.place, async () => {
      try {
        await admit(repository, holdings, each.set, touched);
        return true;
      } catch (error) {
        if (!(error instanceof AppError) || !ADMIT_REFUSALS.includes(error.code)) throw error;
        await quarantine(repository, each.set.place, each.record, error);
        return false;
      }
    });
    if (done === true) admitted.push(each);
  }
  return admitted;
}

/**
 * What goes into one generation. After an error that nobody foresaw each set of that generation is a suspect: the
 * others go on without them, and they one at a time, in no fixed order, so that none keeps the rest back.
 */
function withoutSuspects(waiting: readonly Waiting[]): Waiting[] {
  const clean = waiting.filter(({ record }) => record.reason_code !== UNFORESEEN);
  if (clean.length > 0 || waiting.length === 0) return clean;
  return waiting.slice(randomInt(waiting.length)).slice(0, 1);
}

/** So that of two versions that wait the older one is not refused for the newer. */
function bySourceThenVersion(a: Waiting, b: Waiting): number {
  const [left, right] = [a.set.manifest, b.set.manifest];
  if (left.source !== right.source) return left.source < right.source ? -1 : 1;
  return (
    compareVersions(left.sourceVersion, right.sourceVersion) ||
    a.record.created_at.getTime() - b.record.created_at.getTime()
  );
}

async function publishSets(
  repository: Repository,
  lock: QueueLock,
  holdings: Holdings,
  admitted: readonly Waiting[],
): Promise<void> {
  const { queue, product } = lock;
  await publish(repository, lock, {
    ...{ queue, product, ...holdings.changes(), cause: 'set' },
    who: soleUploader(admitted),
    alongside: async (client, generation) => {
      for (const { record } of admitted) {
        const decision = { status: 'installed', generationId: generation.id } as const;
        if (!(await decideSet(client, record.id, decision))) {
          throw new AppError('set-taken', `Another process decided set ${record.id}`);
        }
      }
    },
  });
  repository.metrics.sets.inc({ queue, result: 'installed' }, admitted.length);
  for (const { set } of admitted) await rm(set.place.folder, { recursive: true, force: true });
}

/** The uploader when all sets are one person's. */
function soleUploader(admitted: readonly Waiting[]): string | null {
  const uploaders = new Set(admitted.map(({ set }) => set.manifest.provenance.uploader));
  return uploaders.size === 1 ? ([...uploaders][0] ?? null) : null;
}
