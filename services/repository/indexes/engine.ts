/**
 * All indexes of a generation. Give it what changed and it renders and compresses the chunks that the changes
 * touch, stitches the rest, and takes whole files over where nothing changed; give it nothing to start from
 * and it makes everything anew, with the same bytes.
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { changeIndex } from './change.ts';
import { makeChunks, type Chunk } from './chunks/chunked-index.ts';
import { planAnew, planChanges, previousPlaces, shapeOf, type IndexWork, type Planned } from './plan.ts';
import { pruneStates, writeState, type IndexEntry } from './state.ts';
import { releaseEntries, reuseIndex, writeIndex } from './write.ts';

export type { IndexWork } from './plan.ts';

/** Writes the indexes and says what Release must list. */
export async function makeIndexes(work: IndexWork): Promise<ReleaseIndex[]> {
  const entries = (await changeAll(work)) ?? (await makeAll(work));
  await writeState(work.states, { version: 3, number: work.number, shape: shapeOf(work), indexes: entries });
  return entries.flatMap((entry) => releaseEntries(entry));
}

/** From what the generation before left, all at once; null when that cannot be used. */
async function changeAll(work: IndexWork): Promise<IndexEntry[] | null> {
  const stateFolder = await clear(work);
  try {
    const plan = await planChanges(work, stateFolder);
    if (plan === null) return null;
    const paths = [...plan.keys()].sort();
    const written = paths.map((indexPath, ordinal) =>
      writePlanned(work, stateFolder, { indexPath, planned: plan.get(indexPath) as Planned, ordinal }),
    );
    // Each is waited for, so that nothing is written any more once one has failed.
    const results = await Promise.allSettled(written);
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  } catch (error) {
    if (error instanceof AppError && error.code === 'index-stale') return null;
    throw error;
  }
}

/** One after the other: each needs memory while it is made. */
async function makeAll(work: IndexWork): Promise<IndexEntry[]> {
  const stateFolder = await clear(work);
  const plan = await planAnew(work, stateFolder);
  const entries: IndexEntry[] = [];
  for (const indexPath of [...plan.keys()].sort()) {
    const planned = plan.get(indexPath) as Planned;
    entries.push(await writePlanned(work, stateFolder, { indexPath, planned, ordinal: entries.length }));
    plan.delete(indexPath); // what is written need not stay in memory
  }
  return entries;
}

/** Removes what an earlier try left; returns the folder of the new state. */
async function clear(work: IndexWork): Promise<string> {
  const stateFolder = path.join(work.states, String(work.number));
  for (const folder of [stateFolder, work.folder]) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  }
  return stateFolder;
}

async function writePlanned(
  work: IndexWork,
  stateFolder: string,
  { indexPath, planned, ordinal }: { indexPath: string; planned: Planned; ordinal: number },
): Promise<IndexEntry> {
  const { folder, offer, date } = work;
  const options = { generation: folder, stateFolder, ordinal, offer, date };
  if ('entry' in planned) return reuseIndex(planned.entry, previousPlaces(work), options);
  const { kind } = planned;
  const forms = kind.forms(offer.compression);
  const index = { path: indexPath, kind: kind.name, forms };
  if ('groups' in planned) {
    return writeIndex(index, makeChunks(planned.groups(), { ...kind, forms }), options);
  }
  if (planned.before) return changeIndex(index, planned.before, planned.chunks, options);
  return writeIndex(index, planned.chunks as Chunk[], options);
}

/** Forgets the states of all generations but `number`. */
export async function keepState(states: string, number: number): Promise<void> {
  await pruneStates(states, number);
}
