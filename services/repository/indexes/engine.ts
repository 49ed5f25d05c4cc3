/**
 * All indexes of a generation. Give it what changed and it renders and compresses the chunks that the changes
 * touch, stitches the rest, and takes whole files over where nothing changed; give it nothing to start from
 * and it makes everything anew, with the same bytes.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { changeChunks, makeChunks, type Chunk } from './chunks/chunked-index.ts';
import {
  groupsByPath,
  groupsOfText,
  installerPaths,
  pathsOf,
  standingPaths,
  type IndexedName,
  type IndexedPackage,
  type IndexScope,
} from './select.ts';
import { loadChunks, pruneStates, readState, writeState, type IndexEntry, type IndexState } from './state.ts';
import { canReuse, releaseEntries, reuseIndex, writeIndex, type Offer } from './write.ts';

export interface IndexWork {
  scope: IndexScope;
  offer: Offer;
  /** The generation that is being made; its folder is nobody's yet. */
  number: number;
  folder: string;
  /** The one before, if its folder is there. */
  previous: { number: number; folder: string } | null;
  /** Where states are kept, one folder a generation. */
  states: string;
  date: Date;
  /** Every package that comes or goes. */
  changed: readonly IndexedName[];
  /** What the queue will hold of these names; of all when null. */
  packages(names: readonly string[] | null): Promise<IndexedPackage[]>;
}

type Planned = { entry: IndexEntry } | { chunks: Chunk[] };

/** Writes the indexes and says what Release must list. */
export async function makeIndexes(work: IndexWork): Promise<ReleaseIndex[]> {
  const plan = (await planChanges(work)) ?? (await planAnew(work));
  dropEmptyInstallers(plan, work.scope);
  const stateFolder = path.join(work.states, String(work.number));
  await rm(stateFolder, { recursive: true, force: true });
  const entries: IndexEntry[] = [];
  for (const [indexPath, planned] of [...plan].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const options = {
      ...{ generation: work.folder, stateFolder, ordinal: entries.length },
      ...{ offer: work.offer, date: work.date },
    };
    if ('chunks' in planned) entries.push(await writeIndex(indexPath, planned.chunks, options));
    else entries.push(await reuseIndex(planned.entry, previousPlaces(work), options));
  }
  await writeState(work.states, { version: 1, number: work.number, shape: shapeOf(work), indexes: entries });
  return entries.flatMap((entry) => releaseEntries(entry));
}

/** Forgets the states of all generations but `number`. */
export async function keepState(states: string, number: number): Promise<void> {
  await pruneStates(states, number);
}

function shapeOf({ scope, offer }: IndexWork): string {
  return JSON.stringify([scope.components, scope.architectures, offer.plain, offer.md5]);
}

function previousPlaces(work: IndexWork): { generation: string; stateFolder: string } {
  if (!work.previous) throw new Error('nothing to take over from');
  return {
    generation: work.previous.folder,
    stateFolder: path.join(work.states, String(work.previous.number)),
  };
}

/** From what the generation before left; null when that cannot be used. */
async function planChanges(work: IndexWork): Promise<Map<string, Planned> | null> {
  if (!work.previous) return null;
  const state = await readState(work.states, work.previous.number);
  if (state?.shape !== shapeOf(work)) return null;
  const touched = touchedNames(work);
  const names = [...new Set(work.changed.map((each) => each.name))];
  const groups = groupsByPath(names.length > 0 ? await work.packages(names) : [], work.scope);
  const plan = new Map<string, Planned>(state.indexes.map((entry) => [entry.path, { entry }]));
  for (const [indexPath, own] of touched) {
    const before = await chunksBefore(work, state, indexPath);
    if (!before) return null;
    const changes = new Map([...own].map((name) => [name, groups.get(indexPath)?.get(name)?.text ?? null]));
    plan.set(indexPath, { chunks: await changeChunks(before, changes, groupsOfText) });
  }
  for (const planned of plan.values()) {
    if ('entry' in planned && !(await canReuse(planned.entry, previousPlaces(work), work.offer))) return null;
  }
  for (const indexPath of missingInstallers(plan, work.scope)) plan.set(indexPath, { chunks: [] });
  return plan;
}

async function planAnew(work: IndexWork): Promise<Map<string, Planned>> {
  const groups = groupsByPath(await work.packages(null), work.scope);
  const installers = work.scope.components.flatMap((component) => installerPaths(component, work.scope));
  const plan = new Map<string, Planned>();
  for (const indexPath of [...standingPaths(work.scope), ...installers]) {
    plan.set(indexPath, { chunks: await makeChunks([...(groups.get(indexPath)?.values() ?? [])]) });
  }
  return plan;
}

function touchedNames(work: IndexWork): Map<string, Set<string>> {
  const touched = new Map<string, Set<string>>();
  for (const each of work.changed) {
    for (const indexPath of pathsOf(each, work.scope)) {
      touched.set(indexPath, (touched.get(indexPath) ?? new Set()).add(each.name));
    }
  }
  return touched;
}

async function chunksBefore(work: IndexWork, state: IndexState, indexPath: string): Promise<Chunk[] | null> {
  const entry = state.indexes.find((each) => each.path === indexPath);
  if (!entry) return [];
  const { generation, stateFolder } = previousPlaces(work);
  return loadChunks(stateFolder, generation, entry);
}

/** The first udeb of a component brings the indexes of all architectures. */
function missingInstallers(plan: ReadonlyMap<string, Planned>, scope: IndexScope): string[] {
  return scope.components.flatMap((component) => {
    const paths = installerPaths(component, scope);
    return paths.some((each) => plan.has(each)) ? paths.filter((each) => !plan.has(each)) : [];
  });
}

/** And the last one takes them along. */
function dropEmptyInstallers(plan: Map<string, Planned>, scope: IndexScope): void {
  const isEmpty = (planned: Planned | undefined): boolean =>
    planned === undefined || ('chunks' in planned ? planned.chunks : planned.entry.chunks).length === 0;
  for (const component of scope.components) {
    const paths = installerPaths(component, scope);
    if (paths.every((each) => isEmpty(plan.get(each)))) for (const each of paths) plan.delete(each);
  }
}
