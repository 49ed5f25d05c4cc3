/**
 * What tells one kind of index from another. The engine cuts, packs, stitches and takes over; a kind says
 * which indexes there are, what stands in each, and how a change of packages changes it.
 */
import type { ChunkRules, Edit, Group } from '../chunks/chunked-index.ts';
import type { FormName } from '../forms/form.ts';
import type { IndexedChange, IndexedName, IndexedPackage, IndexScope } from './scope.ts';

export interface IndexKind extends Omit<ChunkRules, 'forms'> {
  /** Stable: states name it. */
  name: string;
  /**
   * Paths, relative to the generation and without the ending of a compressed form, of the indexes a package
   * stands in; none when it is out of scope.
   */
  pathsOf(each: IndexedName, scope: IndexScope): string[];
  /** Indexes that are there even when they are empty, since clients ask for each that Release names. */
  standing(scope: IndexScope): string[];
  /** Indexes of which all are there as soon as one has anything in it. */
  families(scope: IndexScope): string[][];
  /** Of those the archive offers, what this kind is published in. */
  forms(offered: readonly FormName[]): readonly FormName[];
  /** Everything one index says of these packages, which are sorted by name; sorted by key. */
  groups(packages: Packages, context: KindContext): Groups;
  /** What a change does to one index, by key. */
  edits(change: IndexChange, context: KindContext): Promise<ReadonlyMap<string, Edit>>;
}

/** However many: they are not all in memory at once. */
export type Packages = Iterable<IndexedPackage> | AsyncIterable<IndexedPackage>;
export type Groups = Iterable<Group> | AsyncIterable<Group>;

/** A change of one index. */
export interface IndexChange {
  /** Every package that comes or goes and stands in it. */
  changed: readonly IndexedChange[];
  /** Every package of these names that stands in it afterwards. */
  after: readonly IndexedPackage[];
}

export interface KindContext {
  scope: IndexScope;
  /** What the packages hold; see {@link FileLists}. */
  fileLists: FileLists;
  /** Folder for what does not fit into memory; the kind removes what it makes. */
  workFolder: string;
}

/** Sorted paths of these packages without the leading slash, a byte a character (latin1); `ids` at most some hundred. */
export type FileLists = (ids: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>;
