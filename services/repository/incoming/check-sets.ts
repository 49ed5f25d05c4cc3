/** Each set that waits, recorded and checked; what is wrong with one is that one's matter. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { isOurFault } from '../../../shared/debian/deb.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Repository } from '../context.ts';
import { requireProduct } from '../indexes/release.ts';
import { createSlots } from '../slots.ts';
import { checkSet, type CheckedSet } from './check.ts';
import { readManifest, type SetPlace } from './folder.ts';
import { moveToQuarantine, quarantine } from './quarantine.ts';
import { derivedId, recordSet, rowId, type SetRecord } from './set-rows.ts';
import { noteTrouble } from './trouble.ts';

/** Each holds some megabytes. */
const CHECKS_AT_ONCE = 4;

/** A good set that is to be published. */
export interface Waiting {
  record: SetRecord;
  set: CheckedSet;
}

/**
 * The first `most` that are good, in their order, with copies in `work`; some are looked at side by side, since each
 * waits for the disk and the database.
 */
export async function checkSets(
  repository: Repository,
  places: readonly SetPlace[],
  { work, most }: { work: string; most: number },
): Promise<Waiting[]> {
  const slots = createSlots(CHECKS_AT_ONCE);
  const checked: Waiting[] = [];
  for (let from = 0; from < places.length && checked.length < most;) {
    const next = places.slice(from, from + most - checked.length);
    from += next.length;
    const found = await Promise.all(
      next.map((place) => slots(() => guarded(repository, place, () => check(repository, place, work)))),
    );
    checked.push(...found.filter((each) => each !== null));
  }
  return checked;
}

/** Runs the work for one set; an error of ours is logged and leaves the set for the next sweep. */
export async function guarded<T>(
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
