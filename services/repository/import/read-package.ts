/** What is read of a candidate, and what every kind of candidate has in common. */
import path from 'node:path';
import { packPaths } from '../pool/file-lists.ts';
import type { NewPackage } from '../pool/records.ts';
import type { Candidate } from './candidate.ts';

/** What every candidate of an import has in common. */
export interface ReadScope {
  root: string;
  product: string;
  components: readonly string[];
  /** Whether the lists of files are wanted too, of binary and of source packages. */
  contents: boolean;
  contentsSource: boolean;
}

/** A file as it goes into the pool. */
export interface ReadFile {
  /** Relative to the import's root. */
  from: string;
  /** Of the file when it was read, see {@link stampOf}. */
  stamp: string;
  /** In the product's pool. */
  path: string;
  size: number;
  sha256: string;
}

export interface ReadPackage extends Omit<NewPackage, 'files' | 'fileList'> {
  files: ReadFile[];
  /** What it unpacks to, as `file_lists` keeps it, in base64; null where it was not wanted. */
  list: { count: number; packed: string } | null;
  /** The archive's word where it is another than the package's own; null for what is the same. */
  override: { section: string | null; priority: string | null };
}

/** As it is called, whatever the place that holds it calls it. */
export function nameOf({ path: place, files }: Candidate): string {
  const named = Object.entries(files ?? {}).find(([, each]) => each === place);
  return named?.[0] ?? path.basename(place);
}

/** `contrib/net` is of contrib where there is such a component; the rest is of the first one. */
export function componentOf(scope: ReadScope, section: string | undefined): string {
  const prefix = section?.includes('/') === true ? section.slice(0, section.lastIndexOf('/')) : '';
  return scope.components.includes(prefix) ? prefix : (scope.components[0] ?? 'main');
}

/** As `file_lists` keeps it. */
export function packList(paths: readonly string[]): { count: number; packed: string } {
  return { count: paths.length, packed: packPaths(paths).toString('base64') };
}
