/**
 * All indexes of a generation. Give it what changed and it renders and compresses the chunks that the changes
 * touch, stitches the rest, and takes whole files over where nothing changed; give it nothing to start from
 * and it makes everything anew, with the same bytes.
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { allOf, changeIndex } from './change.ts';
import { makeChunks, packChunks, type Chunk, PackedChunks, type PlainChunk } from './chunks/chunked-index.ts';
import { isPlace } from './operations.ts';
import {
  planAnew,
  planChanges,
  previousPlaces,
  shapeOf,
  type IndexWork,
  type Plan,
  type Planned,
} from './plan.ts';
import type { FormName } from './forms/form.ts';
import { pruneStates, writeState, type IndexEntry } from './state.ts';
import { releaseEntries, reuseIndex, writeIndex } from './write.ts';

export type { IndexWork } from './plan.ts';

const NOTHING_NEW = Promise.resolve(new PackedChunks());

/** Writes the indexes and says what Release must list. */
export async function makeIndexes(work: IndexWork): Promise<ReleaseIndex[]> {
  const entries = (await changeAll(work)) ?? (await makeAll(work));
  await writeState(work.states, { version: 5, number: work.number, shape: shapeOf(work), indexes: entries });
  return entries.flatMap((entry) => releaseEntries(entry));
}

/** From what the generation before left, all at once; null when that cannot be used. */
async function changeAll(work: IndexWork): Promise<IndexEntry[] | null> {
  const stateFolder = await clear(work);
  try {
    const plan = await planChanges(work, stateFolder);
    if (plan === null) return null;
    const packed = packPlanned(work, plan);
    const paths = [...plan.keys()].sort();
    const written = paths.map((indexPath, ordinal) => {
      const planned = plan.get(indexPath) as Planned;
      return writePlanned(work, { stateFolder, packed }, { indexPath, planned, ordinal });
    });
    const [entries] = await allOf([allOf(written), packed]);
    return entries;
  } catch (error) {
    if (error instanceof AppError && error.code === 'index-stale') return null;
    throw error;
  }
}

/** All that is new, in one go. */
function packPlanned(work: IndexWork, plan: Plan): Promise<PackedChunks> {
  const forms = new Map<PlainChunk, readonly FormName[]>();
  for (const planned of plan.values()) {
    if (!('chunks' in planned)) continue;
    const wanted = planned.kind.forms(work.offer.compression);
    for (const chunk of planned.chunks) if (!isPlace(chunk)) forms.set(chunk, wanted);
  }
  return packChunks([...forms.keys()], (chunk) => forms.get(chunk) ?? []);
}

/** One after the other: each needs memory while it is made. */
async function makeAll(work: IndexWork): Promise<IndexEntry[]> {
  const stateFolder = await clear(work);
  const plan = await planAnew(work, stateFolder);
  const entries: IndexEntry[] = [];
  for (const indexPath of [...plan.keys()].sort()) {
    const planned = plan.get(indexPath) as Planned;
    entries.push(await writePlanned(work, { stateFolder }, { indexPath, planned, ordinal: entries.length }));
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
  { stateFolder, packed = NOTHING_NEW }: { stateFolder: string; packed?: Promise<PackedChunks> },
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
  const { before, chunks: after } = planned;
  const { groupsOf } = kind;
  if (before) return changeIndex(index, { before, after, packed, groupsOf }, options);
  const made = await packed;
  const chunks = (after as PlainChunk[]).map((chunk): Chunk => ({ ...chunk, packed: made.of(chunk) }));
  return writeIndex(index, chunks, options);
}

/** Forgets the states of all generations but `number`. */
export async function keepState(states: string, number: number): Promise<void> {
  await pruneStates(states, number);
}
