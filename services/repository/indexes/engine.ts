/**
 * All indexes of a generation. Give it what changed and it renders and compresses the chunks that the changes
 * touch, stitches the rest, and takes whole files over where nothing changed; give it nothing to start from
 * and it makes everything anew, with the same bytes.
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { pruneStates, writeState, type IndexEntry } from './state.ts';
import { planAnew, planChanges, previousPlaces, shapeOf, type IndexWork, type Planned } from './plan.ts';
import { makeChunks } from './chunks/chunked-index.ts';
import { releaseEntries, reuseIndex, writeIndex } from './write.ts';

export type { IndexWork } from './plan.ts';

/** Writes the indexes and says what Release must list. */
export async function makeIndexes(work: IndexWork): Promise<ReleaseIndex[]> {
  const stateFolder = path.join(work.states, String(work.number));
  await rm(stateFolder, { recursive: true, force: true });
  await mkdir(stateFolder, { recursive: true });
  const plan = (await planChanges(work, stateFolder)) ?? (await planAnew(work, stateFolder));
  const entries: IndexEntry[] = [];
  for (const indexPath of [...plan.keys()].sort()) {
    const planned = plan.get(indexPath) as Planned;
    entries.push(await writePlanned(work, stateFolder, { indexPath, planned, ordinal: entries.length }));
    plan.delete(indexPath); // what is written need not stay in memory
  }
  await writeState(work.states, { version: 2, number: work.number, shape: shapeOf(work), indexes: entries });
  return entries.flatMap((entry) => releaseEntries(entry));
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
  const chunks =
    'chunks' in planned ? planned.chunks : await makeChunks(planned.groups(), { ...kind, forms });
  return writeIndex({ path: indexPath, kind: kind.name, forms }, chunks, options);
}

/** Forgets the states of all generations but `number`. */
export async function keepState(states: string, number: number): Promise<void> {
  await pruneStates(states, number);
}
