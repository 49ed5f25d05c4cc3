/** What becomes of each index of a generation: taken over, changed or made anew. */
import path from 'node:path';
import { changeChunks, compareNames } from './chunks/chunked-index.ts';
import type { Before, ChangedChunk } from './operations.ts';
import { KINDS } from './kinds/all.ts';
import type { FileLists, Groups, IndexKind, KindContext } from './kinds/kind.ts';
import type { IndexedChange, IndexedName, IndexedPackage, IndexScope } from './kinds/scope.ts';
import { readChunk, readState, type ChunkPlace, type IndexEntry, type IndexState } from './state.ts';
import { canReuse, type Offer } from './write.ts';

/** All packages of some names, or some packages. */
export type Wanted = { names: readonly string[] } | { ids: readonly string[] };

/**
 * Names in one generation from which on everything is made anew, one piece after the other: by then most chunks are
 * touched, and those are held in memory together.
 */
const MAX_CHANGED_NAMES = 500;
/** Packages read at once when everything is made anew: some hundred kilobytes. */
const PACKAGES_AT_ONCE = 500;

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
  /** Every package that comes, goes or is shown in another way; null: too many to name. */
  changed: readonly IndexedChange[] | null;
  /** Everything that the queue will hold, in any order. */
  listing(): Promise<readonly IndexedChange[]>;
  /** What the queue will hold of some of it. */
  packages(wanted: Wanted): Promise<readonly IndexedPackage[]>;
  fileLists: FileLists;
}

/** By path: an index as it was, its chunks as they are now, or all that it says. */
export type Planned =
  | { kind: IndexKind; entry: IndexEntry }
  | { kind: IndexKind; before: Before | null; chunks: ChangedChunk[] }
  | { kind: IndexKind; groups: () => Groups };
export type Plan = Map<string, Planned>;

export function shapeOf({ scope, offer }: IndexWork): string {
  const { components, architectures, debugComponents, translations, contents, contentsSource } = scope;
  const { compression, plain, md5 } = offer;
  return JSON.stringify({
    ...{ components, architectures, debugComponents, translations, contents, contentsSource },
    ...{ compression, plain, md5 },
  });
}

export function previousPlaces(work: IndexWork): { generation: string; stateFolder: string } {
  if (!work.previous) throw new Error('nothing to take over from');
  return {
    generation: work.previous.folder,
    stateFolder: path.join(work.states, String(work.previous.number)),
  };
}

/** From what the generation before left; null when that cannot be used. */
export async function planChanges(work: IndexWork, workFolder: string): Promise<Plan | null> {
  const { changed } = work;
  if (!work.previous || !changed) return null;
  const state = await readState(work.states, work.previous.number);
  if (state?.shape !== shapeOf(work)) return null;
  const plan: Plan = new Map();
  for (const entry of state.indexes) {
    const kind = KINDS.find((each) => each.name === entry.kind);
    if (!kind) return null;
    plan.set(entry.path, { kind, entry });
  }
  const names = [...new Set(changed.map((each) => each.name))];
  if (names.length > MAX_CHANGED_NAMES) return null;
  const after = names.length > 0 ? await work.packages({ names }) : [];
  await Promise.all(KINDS.map((kind) => planKind(work, { kind, state, plan, changed, after, workFolder })));
  for (const planned of plan.values()) {
    if ('entry' in planned && !(await canReuse(planned.entry, previousPlaces(work), work.offer))) return null;
  }
  return plan;
}

interface KindPlan {
  kind: IndexKind;
  state: IndexState;
  plan: Plan;
  changed: readonly IndexedChange[];
  after: readonly IndexedPackage[];
  workFolder: string;
}

/** The kind's indexes that the changes touch. Throws `index-stale`. */
async function planKind(work: IndexWork, one: KindPlan): Promise<void> {
  const { kind, state, plan, workFolder } = one;
  const standing = byPath(one.after, kind, work.scope);
  const rules = { ...kind, forms: kind.forms(work.offer.compression) };
  const touched = [...byPath(one.changed, kind, work.scope)].map(async ([indexPath, changed]) => {
    const change = { changed, after: standing.get(indexPath) ?? [] };
    const edits = await kind.edits(change, contextOf(work, workFolder));
    const before = beforeOf(work, state, indexPath);
    const chunks = before?.entry.chunks ?? [];
    const changedChunks = await changeChunks<ChunkPlace>(chunks, edits, rules, (chunk) => {
      if (!before) throw new Error('a chunk of an index that was not there');
      return readChunk(before.stateFolder, before.entry, chunk);
    });
    plan.set(indexPath, { kind, before, chunks: changedChunks });
  });
  await Promise.all(touched);
  for (const family of kind.families(work.scope)) completeFamily(plan, kind, family);
}

/** All of a family are there, or none. */
function completeFamily(plan: Plan, kind: IndexKind, family: readonly string[]): void {
  const isNeeded = family.some((each) => !isEmpty(plan.get(each)));
  for (const each of family) {
    if (!isNeeded) plan.delete(each);
    else if (!plan.has(each)) plan.set(each, { kind, before: null, chunks: [] });
  }
}

function isEmpty(planned: Planned | undefined): boolean {
  if (planned === undefined || 'groups' in planned) return true;
  return ('chunks' in planned ? planned.chunks : planned.entry.chunks).length === 0;
}

export async function planAnew(work: IndexWork, workFolder: string): Promise<Plan> {
  const listing = (await work.listing()).toSorted((a, b) => compareNames(a.name, b.name));
  const plan: Plan = new Map();
  for (const kind of KINDS) {
    const own = byPath(listing, kind, work.scope);
    const families = kind.families(work.scope).filter((family) => family.some((each) => own.has(each)));
    for (const indexPath of [...kind.standing(work.scope), ...families.flat()]) {
      const standing = own.get(indexPath) ?? [];
      const groups = (): Groups => kind.groups(readAll(work, standing), contextOf(work, workFolder));
      plan.set(indexPath, { kind, groups });
    }
  }
  return plan;
}

/** The packages of a listing, in its order, some at a time. */
async function* readAll(work: IndexWork, listing: readonly IndexedChange[]): AsyncGenerator<IndexedPackage> {
  for (let from = 0; from < listing.length; from += PACKAGES_AT_ONCE) {
    const ids = listing.slice(from, from + PACKAGES_AT_ONCE).map((each) => each.id);
    const found = new Map((await work.packages({ ids })).map((each) => [each.id, each]));
    for (const id of ids) {
      const each = found.get(id);
      if (!each) throw new Error(`package ${id} of the listing is not there`);
      yield each;
    }
  }
}

function contextOf({ scope, fileLists }: IndexWork, workFolder: string): KindContext {
  return { scope, fileLists, workFolder };
}

function byPath<T extends IndexedName>(
  packages: readonly T[],
  kind: IndexKind,
  scope: IndexScope,
): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const each of packages) {
    for (const indexPath of kind.pathsOf(each, scope)) {
      const own = found.get(indexPath);
      if (own) own.push(each);
      else found.set(indexPath, [each]);
    }
  }
  return found;
}

function beforeOf(work: IndexWork, state: IndexState, indexPath: string): Before | null {
  const entry = state.indexes.find((each) => each.path === indexPath);
  return entry ? { entry, ...previousPlaces(work) } : null;
}
