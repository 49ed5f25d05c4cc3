/**
 * The files that indexes name, at their paths below the mirror. A table knows which of them were seen with which
 * sum, so that an update reads none that did not change; without it every file is read once, and nothing that is
 * there is fetched again.
 */
import { chmod, copyFile, link, mkdir, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { fsyncDirectory } from '../../../shared/files/durable.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { eachBounded } from './bounded.ts';
import type { Expected, Fetching } from './fetch/download.ts';
import { fetchFile, partialFile } from './fetch/download.ts';
import { isFile } from './indexes.ts';
import type { FileRecords } from './file-records.ts';
import type { MirrorPlaces } from './places.ts';
import type { WantedFiles } from './want.ts';

/** Files looked at at a time: reading is the disk's work, and it has one head. */
const CHECKS = 8;
/** Left free for the indexes, the database and everybody else. */
const MIN_FREE_BYTES = 256 * 1024 * 1024;

export interface PoolPlan {
  /** What is to be fetched, by checksum, with the paths that it gets. */
  missing: Map<string, { size: number; paths: string[] }>;
  /** Bytes of what is missing, less what is there of half files. */
  bytes: number;
}

/** Finds what is missing or damaged. `records` learns what was read. */
export async function planPool(
  places: MirrorPlaces,
  wanted: WantedFiles,
  records: FileRecords,
  onChecked: (count: number) => void,
  signal?: AbortSignal,
): Promise<PoolPlan> {
  const missing: PoolPlan['missing'] = new Map();
  const check = async ([name, expected]: [string, Expected]): Promise<void> => {
    if (!(await isThere(places, name, expected, records))) {
      const entry = missing.get(expected.checksum) ?? { size: expected.size, paths: [] };
      missing.set(expected.checksum, { ...entry, paths: [...entry.paths, name] });
    }
    onChecked(1);
  };
  await eachBounded(wanted, CHECKS, check, signal);
  await records.flush();
  let bytes = 0;
  for (const [checksum, { size }] of missing) {
    const partial = await stat(partialFile(places.partial, { size, checksum })).catch(() => null);
    bytes += size - Math.min(partial?.size ?? 0, size);
  }
  return { missing, bytes };
}

async function isThere(
  places: MirrorPlaces,
  name: string,
  expected: Expected,
  records: FileRecords,
): Promise<boolean> {
  const file = joinInside(places.root, name);
  const found = await stat(file).catch(() => null);
  if (!found?.isFile() || found.size !== expected.size) return false;
  if (records.isKnown(name, found, expected.checksum)) return true;
  if (!(await isFile(file, expected))) return false;
  await records.remember(name, found, expected.checksum);
  return true;
}

/** Throws `disk-full` before the first byte, when it is clear that it cannot end well. */
export async function requireSpace(places: MirrorPlaces, plan: PoolPlan): Promise<void> {
  if (plan.bytes === 0) return;
  const { bavail, bsize } = await statfs(places.root);
  const free = bavail * bsize - MIN_FREE_BYTES;
  if (plan.bytes <= free) return;
  throw new AppError(
    'disk-full',
    `The mirror needs ${String(plan.bytes)} bytes more and ${String(MIN_FREE_BYTES)} to spare; ${String(bavail * bsize)} are free`,
    {
      hint: 'Make room, or set repository.mirrors.path to a larger disk.',
    },
  );
}

/**
 * Fetches what is missing. What takes the place of another content is put there by the function that is returned,
 * when the generation that names it is about to be shown: until then clients see the old state whole.
 */
export async function fetchPool(
  fetching: Fetching,
  work: { places: MirrorPlaces; plan: PoolPlan; records: FileRecords; parallel: number },
  onFetched: () => Promise<void>,
): Promise<() => Promise<void>> {
  const { places, plan, records, parallel } = work;
  const replacing: { from: string; name: string; checksum: string }[] = [];
  const fetchOne = async ([checksum, { size, paths }]: [
    string,
    { size: number; paths: string[] },
  ]): Promise<void> => {
    const from = await fetchFile(fetching, paths, { size, checksum });
    await chmod(from, 0o644);
    const fresh: string[] = [];
    for (const name of paths) {
      const taken = await stat(joinInside(places.root, name)).catch(() => null);
      if (taken) replacing.push({ from, name, checksum });
      else fresh.push(name);
    }
    for (const name of fresh) await place(places, from, name, checksum, records);
    if (fresh.length === paths.length) await rm(from, { force: true });
    await onFetched();
  };
  await eachBounded(plan.missing, parallel, fetchOne, fetching.signal);
  await records.flush();
  return async () => {
    for (const { from, name, checksum } of replacing) await place(places, from, name, checksum, records);
    for (const { from } of replacing) await rm(from, { force: true });
    await records.flush();
  };
}

/** Gives a checked file its name, whole, in place of whatever has it. */
async function place(
  places: MirrorPlaces,
  from: string,
  name: string,
  checksum: string,
  records: FileRecords,
): Promise<void> {
  const target = joinInside(places.root, name);
  await mkdir(path.dirname(target), { recursive: true });
  const temporary = path.join(path.dirname(target), `.${path.basename(target)}.new`);
  await rm(temporary, { force: true });
  await link(from, temporary).catch(async (error: unknown) => {
    if (!hasErrno(error, 'EPERM', 'EMLINK')) throw error;
    await copyFile(from, temporary); // a file system without hard links
  });
  await rename(temporary, target);
  await fsyncDirectory(path.dirname(target));
  await records.remember(name, await stat(target), checksum);
}
