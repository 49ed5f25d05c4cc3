/** The archive's indexes as they are kept here, by their sum: what is there already is not fetched again. */
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ReleaseEntry } from '../../../shared/debian/read-release.ts';
import { renameDurably } from '../../../shared/files/durable.ts';
import { hashFile } from '../../../shared/files/hash-file.ts';
import { fetchFile, partsOfChecksum, type Expected, type Fetching } from './fetch/download.ts';
import type { MirrorRelease } from './release.ts';
import { readIndexFile } from './read-index.ts';
import type { MirrorIndex } from './select-indexes.ts';
import type { MirrorPlaces } from './places.ts';

/** An index with those of its forms that the archive has. */
export interface FetchedIndex extends MirrorIndex {
  files: { entry: ReleaseEntry; ending: string; file: string }[];
}

export interface IndexFetching {
  fetching: Fetching;
  places: MirrorPlaces;
  /** The first form that is there, or all of them. */
  forms: 'first' | 'all';
}

/** The strongest sum that Release has of a file. */
export function checksumOfEntry({ sha256, sha512 }: ReleaseEntry): string {
  return sha256 === undefined ? `sha512:${sha512 ?? ''}` : `sha256:${sha256}`;
}

/** Names of a file by its sums, relative to the folder of the Release file; apt asks by the strongest. */
export function byHashPaths(entry: ReleaseEntry): string[] {
  const folder = path.posix.join(path.posix.dirname(entry.path), 'by-hash');
  return [
    ...(entry.sha512 === undefined ? [] : [`${folder}/SHA512/${entry.sha512}`]),
    ...(entry.sha256 === undefined ? [] : [`${folder}/SHA256/${entry.sha256}`]),
  ];
}

/**
 * Brings an index here. A form that Release lists may be missing (as Debian's uncompressed ones are) as long as
 * another is there. Throws `mirror-file-missing` and what `fetchFile` throws.
 */
export async function fetchIndex(
  work: IndexFetching,
  { suite, release }: MirrorRelease,
  index: MirrorIndex,
): Promise<FetchedIndex> {
  const files: FetchedIndex['files'] = [];
  let missing: AppError | null = null;
  for (const entry of index.forms) {
    try {
      const names = [...(release.acquireByHash ? byHashPaths(entry) : []), entry.path];
      const file = await bringIndex(
        work,
        entry,
        names.map((name) => `dists/${suite}/${name}`),
        release.date,
      );
      files.push({ entry, ending: entry.path.slice(index.path.length), file });
      if (work.forms === 'first') break;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'mirror-file-missing') throw error;
      missing = error;
    }
  }
  if (files.length === 0 && missing !== null) throw missing;
  return { ...index, files };
}

async function bringIndex(
  { fetching, places }: IndexFetching,
  entry: ReleaseEntry,
  names: string[],
  date: Date,
): Promise<string> {
  const expected = { size: entry.size, checksum: checksumOfEntry(entry) };
  const file = path.join(places.indexes, partsOfChecksum(expected.checksum).digest);
  if (await isFile(file, expected)) return file;
  const fetched = await fetchFile(fetching, names, expected);
  // HTTP clients compare times: a form that changed has the time of its Release.
  await utimes(fetched, date, date);
  await renameDurably(fetched, file);
  return file;
}

/** True when the file is there with this size and sum. */
export async function isFile(file: string, expected: Expected): Promise<boolean> {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile() || found.size !== expected.size) return false;
  const { algorithm, digest } = partsOfChecksum(expected.checksum);
  return (await hashFile(file, [algorithm])).sums[algorithm] === digest;
}

/** Gives each stanza of a fetched index. Throws what `readIndexFile` throws, with the index's name. */
export async function readFetched(index: FetchedIndex, onStanza: (text: string) => void): Promise<void> {
  const [form] = index.files;
  if (!form) throw new Error(`${index.path} was not fetched`);
  try {
    await readIndexFile(form.file, form.ending, index.plain, onStanza);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const where = `${index.suite}: ${form.entry.path}`;
    throw new AppError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}

/** Removes what no index of the generation was. */
export async function pruneIndexes(places: MirrorPlaces, used: readonly FetchedIndex[]): Promise<void> {
  await mkdir(places.indexes, { recursive: true });
  const names = new Set(used.flatMap((index) => index.files.map(({ file }) => path.basename(file))));
  for (const name of await readdir(places.indexes)) {
    if (!names.has(name)) await rm(path.join(places.indexes, name), { force: true });
  }
}
