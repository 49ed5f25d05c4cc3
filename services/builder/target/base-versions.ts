/** The versions of a base on disk: which is current, and which can go. */
import { existsSync } from 'node:fs';
import { readdir, readlink, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { tryLockFile } from '../../../shared/files/lock.ts';
import { isKeptBelow } from './kept.ts';
import { removeTree } from './userns.ts';

/** In each finished version: its users hold a shared flock on it, its time is that of the last use. */
export const IN_USE = 'in-use';
/** A base that nothing was built on for so long belongs to a product or to sources that are no more. */
const FORGOTTEN_MS = 30 * 24 * 3_600_000;

/** Name of the version that `link` points to; null when there is none. */
export async function currentVersion(link: string): Promise<string | null> {
  const version = await readlink(link).catch(() => null);
  return version !== null && existsSync(path.join(path.dirname(link), version, 'root')) ? version : null;
}

/** Removes a version unless somebody uses it, or a kept target stands on it. */
async function removeVersion(folder: string): Promise<boolean> {
  if (!existsSync(path.join(folder, IN_USE))) {
    await removeTree(folder); // never finished
    return true;
  }
  const lock = await tryLockFile(path.join(folder, IN_USE), 'exclusive');
  if (lock === null) return false;
  if (await isKeptBelow(folder)) {
    await lock.release();
    return false;
  }
  await removeTree(folder);
  await lock.release();
  return true;
}

/** Removes versions that are neither current nor used, and what a dead maker left. Needs the name's lock. */
export async function removeUnused(link: string): Promise<void> {
  const current = await currentVersion(link);
  for (const entry of await readdir(path.dirname(link))) {
    if (!entry.startsWith(`${path.basename(link)}@`) || entry === current) continue;
    await removeVersion(path.join(path.dirname(link), entry));
  }
}

async function isForgotten(file: string): Promise<boolean> {
  const info = await stat(file).catch(() => null);
  return info !== null && Date.now() - info.mtimeMs > FORGOTTEN_MS;
}

/** Removes bases below `bases` that have not been used for long, and what a killed maker left as long ago. */
export async function removeForgotten(bases: string): Promise<void> {
  for (const entry of await readdir(bases)) {
    const link = path.join(bases, entry);
    if (entry.endsWith('.partial') && (await isForgotten(link))) await removeTree(link);
    const version = await currentVersion(link);
    if (version === null || !(await isForgotten(path.join(bases, version, IN_USE)))) continue;
    if (await removeVersion(path.join(bases, version))) await rm(link, { force: true });
  }
}
