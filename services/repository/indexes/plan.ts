/** What becomes of each index of a generation: taken over, changed or made anew. */
import path from 'node:path';
import { changeChunks, type Group } from './chunks/chunked-index.ts';
import type { Before, ChangedChunk } from './operations.ts';
import { KINDS } from './kinds/all.ts';
import type { FileLists, IndexKind, KindContext } from './kinds/kind.ts';
import type { IndexedChange, IndexedName, IndexedPackage, IndexScope } from './kinds/scope.ts';
import { readChunk, readState, type ChunkPlace, type IndexEntry, type IndexState } from './state.ts';
import { canReuse, type Offer } from './write.ts';

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
  /** Every package that comes, goes or is shown in another way. */
  changed: readonly IndexedChange[];
  /** What the queue will hold of these names; of all when null. */
  packages(names: readonly string[] | null): Promise<IndexedPackage[]>;
  fileLists: FileLists;
}

/** By path: an index as it was, its chunks as they are now, or all that it says. */
export type Planned =
  | { kind: IndexKind; entry: IndexEntry }
  | { kind: IndexKind; before: Before | null; chunks: ChangedChunk[] }
  | { kind: IndexKind; groups: () => Iterable<Group> | AsyncIterable<Group> };
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
  if (!work.previous) return null;
  const state = await readState(work.states, work.previous.number);
  if (state?.shape !== shapeOf(work)) return null;
  const plan: Plan = new Map();
  for (const entry of state.indexes) {
    const kind = KINDS.find((each) => each.name === entry.kind);
    if (!kind) return null;
    plan.set(entry.path, { kind, entry });
  }
  const names = [...new Set(work.changed.map((each) => each.name))];
  const after = names.length > 0 ? await work.packages(names) : [];
  await Promise.all(KINDS.map((kind) => planKind(work, { kind, state, plan, after, workFolder })));
  for (const planned of plan.values()) {
    if ('entry' in planned && !(await canReuse(planned.entry, previousPlaces(work), work.offer))) return null;
  }
  return plan;
}

interface KindPlan {
  kind: IndexKind;
  state: IndexState;
  plan: Plan;
  after: readonly IndexedPackage[];
  workFolder: string;
}

/** The kind's indexes that the changes touch. Throws `index-stale`. */
async function planKind(work: IndexWork, { kind, state, plan, after, workFolder }: KindPlan): Promise<void> {
  const standing = byPath(after, kind, work.scope);
  const rules = { ...kind, forms: kind.forms(work.offer.compression) };
  const touched = [...byPath(work.changed, kind, work.scope)].map(async ([indexPath, changed]) => {
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
  const packages = await work.packages(null);
  const plan: Plan = new Map();
  for (const kind of KINDS) {
    const own = byPath(packages, kind, work.scope);
    const families = kind.families(work.scope).filter((family) => family.some((each) => own.has(each)));
    for (const indexPath of [...kind.standing(work.scope), ...families.flat()]) {
      const standing = own.get(indexPath) ?? [];
      plan.set(indexPath, { kind, groups: () => kind.groups(standing, contextOf(work, workFolder)) });
    }
  }
  return plan;
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
