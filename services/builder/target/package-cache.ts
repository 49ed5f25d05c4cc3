/**
 * The package cache: files that apt fetched and checked for earlier builds, by their SHA256, below
 * `<workdir>/packages/`. It is never mounted into a target. What a build needs is copied into its target before
 * apt looks for it, checked against the sums that apt names; what apt fetched is taken out after setup, checked
 * against the same sums, which were asked for before any package's script ran. So a script can spoil nothing.
 */
import { constants } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { hashFile } from '../../../shared/files/hash-file.ts';
import type { BuildLog } from '../logs/build-log.ts';
import type { PlannedPackage } from './dependencies.ts';
import { evictableLayers, type Evictable } from './layers.ts';

/** In a target. */
const ARCHIVES = 'var/cache/apt/archives';

function cacheFolder(workdir: string): string {
  return path.join(workdir, 'packages');
}

function cached(workdir: string, sha256: string): string {
  return path.join(cacheFolder(workdir), `${sha256}.deb`);
}

async function isIntact(file: string, expected: PlannedPackage): Promise<boolean> {
  const { size, sums } = await hashFile(file, ['sha256']);
  return size === expected.size && sums['sha256'] === expected.sha256;
}

/** Packages of the plan that are here. */
export async function inCache(workdir: string, plan: PlannedPackage[]): Promise<PlannedPackage[]> {
  const found: PlannedPackage[] = [];
  for (const each of plan) {
    const info = await stat(cached(workdir, each.sha256)).catch(() => null);
    if (info?.size === each.size) found.push(each);
  }
  return found;
}

/** Copies them to where apt looks first; `root` is what was written in a target that does not run. */
export async function seedArchives(workdir: string, root: string, packages: PlannedPackage[]): Promise<void> {
  const archives = path.join(root, ARCHIVES);
  await mkdir(archives, { recursive: true, mode: 0o755 });
  const now = new Date();
  for (const each of packages) {
    const from = cached(workdir, each.sha256);
    const to = path.join(archives, each.name);
    await copyFile(from, to, constants.COPYFILE_FICLONE).catch(() => undefined); // gone: apt fetches it
    if (await isIntact(to, each).catch(() => false)) await utimes(from, now, now).catch(() => undefined);
    else for (const file of [from, to]) await rm(file, { force: true });
  }
}

/** Takes in what apt fetched, out of a target that does not run. */
export async function harvestArchives(workdir: string, root: string, plan: PlannedPackage[]): Promise<void> {
  await mkdir(cacheFolder(workdir), { recursive: true });
  for (const each of plan) {
    const file = path.join(root, ARCHIVES, each.name);
    const info = await lstat(file).catch(() => null);
    if (info?.isFile() !== true || info.nlink !== 1 || !(await isIntact(file, each))) continue;
    await chmod(file, 0o644);
    await rename(file, cached(workdir, each.sha256));
  }
}

async function evictablePackages(workdir: string): Promise<Evictable[]> {
  const found: Evictable[] = [];
  for (const name of await readdir(cacheFolder(workdir)).catch(() => [])) {
    const file = path.join(cacheFolder(workdir), name);
    const info = await stat(file).catch(() => null);
    if (info === null) continue;
    found.push({ bytes: info.size, lastUsedMs: info.mtimeMs, remove: () => rm(file, { force: true }) });
  }
  return found;
}

/** Removes what was not used for longest, packages and layers alike, until the rest fits. */
export async function trimCache(workdir: string, maxBytes: number, log: BuildLog): Promise<void> {
  const all = [...(await evictablePackages(workdir)), ...(await evictableLayers(workdir))];
  all.sort((a, b) => a.lastUsedMs - b.lastUsedMs);
  let bytes = all.reduce((sum, each) => sum + each.bytes, 0);
  for (const each of all) {
    if (bytes <= maxBytes) return;
    await each.remove();
    bytes -= each.bytes;
    log.line(
      `The package cache is full: ${String(each.bytes)} bytes that were not used for long are removed`,
    );
  }
}
