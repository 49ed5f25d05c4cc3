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
import { isOurFault } from '../../../shared/debian/deb.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { settlePaths } from '../../../shared/files/settle.ts';
import type { Repository } from '../context.ts';
import { Holdings } from '../generations/holdings.ts';
import { publish } from '../generations/publish.ts';
import { recover } from '../generations/recover.ts';
import { requireProduct } from '../indexes/release.ts';
import { withQueueLock, type QueueLock } from '../locks.ts';
import { placesOf } from '../places.ts';
import { createSlots } from '../slots.ts';
import { checkSet, type CheckedSet } from './check.ts';
import { listSets, readManifest, type SetPlace } from './folder.ts';
import { admit, ADMIT_REFUSALS } from './admit.ts';
import { moveToQuarantine, quarantine } from './quarantine.ts';
import { noteTrouble, UNFORESEEN } from './trouble.ts';
import { decideSet, derivedId, recordSet, rowId, type SetRecord } from './set-rows.ts';

/** Sets in one generation: bounds the disk that copies take; the rest waits for the next one. */
const MAX_SETS_PER_GENERATION = 100;
/** Each holds some megabytes. */
const CHECKS_AT_ONCE = 4;

interface Waiting {
  record: SetRecord;
  set: CheckedSet;
}

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
  const together = withoutSuspects(await checkAll(repository, places, work));
  together.sort(bySourceThenVersion);
  await settlePaths(together.flatMap(copiesOf), work);
  const holdings = new Holdings(lock);
  const admitted = await admitAll(repository, holdings, together);
  if (admitted.length === 0) return false;
  await repository.step('sets-in-pool');
  try {
    await publishSets(repository, lock, holdings, admitted);
  } catch (error) {
    await noteTrouble(
      repository,
      admitted.map(({ record }) => record.id),
      error,
    );
    throw error;
  }
  return true;
}

/** Those that are good, in their order; some at a time, since each waits for the disk and the database. */
async function checkAll(
  repository: Repository,
  places: readonly SetPlace[],
  work: string,
): Promise<Waiting[]> {
  const slots = createSlots(CHECKS_AT_ONCE);
  const checked: Waiting[] = [];
  for (let from = 0; from < places.length && checked.length < MAX_SETS_PER_GENERATION;) {
    const next = places.slice(from, from + MAX_SETS_PER_GENERATION - checked.length);
    from += next.length;
    const found = await Promise.all(
      next.map((place) => slots(() => guarded(repository, place, () => check(repository, place, work)))),
    );
    checked.push(...found.filter((each) => each !== null));
  }
  return checked;
}

/** The copies of a set's files, and the folders that hold their names. */
function copiesOf({ set }: Waiting): string[] {
  return [...set.files.map(({ taken }) => taken.file), set.work, path.dirname(set.work)];
}

/** One after the other, for each is held against what those before it changed. */
async function admitAll(
  repository: Repository,
  holdings: Holdings,
  sets: readonly Waiting[],
): Promise<Waiting[]> {
  const touched = new Set<string>();
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
  await settlePaths(touched, placesOf(repository.home, holdings.lock.queue, holdings.lock.product).root);
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

/** Runs the work for one set; an error of ours is logged and leaves the set for the next sweep. */
async function guarded<T>(
  repository: Repository,
  place: SetPlace,
  work: () => Promise<T>,
): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    const { queue, product, id } = place;
    repository.log.error({ err: error, queue, product, set: id }, 'set not taken, tried again later');
    await noteTrouble(repository, [rowId(place), derivedId(place)], error);
    return null;
  }
}

/** Records and checks one set; null when it is decided (now or before). */
async function check(repository: Repository, place: SetPlace, work: string): Promise<Waiting | null> {
  const found = await readManifest(place).catch((error: unknown) => {
    if (error instanceof AppError) return error;
    throw error;
  });
  const manifest = found instanceof AppError ? null : found;
  let record = await recordSet(repository.pool, place, rowId(place), manifest);
  if (record.queue !== place.queue || record.product !== place.product) {
    record = await recordSet(repository.pool, place, derivedId(place), manifest);
    const taken = new AppError('set-id-taken', `Another set has the id ${place.id}`);
    if (record.status === 'incoming') await quarantine(repository, place, record, taken);
  }
  if (record.status !== 'incoming') {
    await finishDecided(repository, place, record);
    return null;
  }
  await repository.step('set-recorded');
  try {
    if (found instanceof AppError) throw found;
    const product = requireProduct(repository.common, place.product);
    return { record, set: await checkSet(place, found, product, path.join(work, record.id)) };
  } catch (error) {
    if (!(error instanceof AppError) || isOurFault(error)) throw error;
    await quarantine(repository, place, record, error);
    return null;
  }
}

/** The row is decided; a folder that is still there is what a crash or a second hand-over left. */
async function finishDecided(repository: Repository, place: SetPlace, record: SetRecord): Promise<void> {
  if (record.status === 'installed') {
    await rm(place.folder, { recursive: true, force: true });
    return;
  }
  const refused = { id: record.id, code: record.reason_code ?? '', reason: record.reason ?? '' };
  await moveToQuarantine(repository, place, refused);
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
