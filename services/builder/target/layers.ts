/**
 * Layers: a base plus the build-dependencies of an earlier build, as that build's setup left it and before
 * anything of its source ran. A later build with the same dependencies, package by package and byte by byte,
 * begins there and installs nothing. A layer is what its packages' own scripts made of the base, no more: a
 * source that is built never writes into one.
 *
 * `<workdir>/layers/<key>/` holds `root/`, `in-use` (a shared flock of each user; its time is that of the last
 * use) and `bytes`.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDsc } from '../../../shared/debian/dsc.ts';
import { tryLockFile, type HeldLock } from '../../../shared/files/lock.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import { run } from '../../../shared/process/run.ts';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import type { Base } from './base.ts';
import type { PlannedPackage } from './dependencies.ts';
import { bootId } from '../build/liveness.ts';
import { isKeptBelow } from './kept.ts';
import { BUILD_FOLDER, SEEDED } from './setup.ts';
import { removeTree, USER_NAMESPACE } from './userns.ts';

export interface Layer {
  root: string;
  release(): Promise<void>;
}

/** Raised when what is put into a layer changes. */
const LAYER_FORMAT = 1;
const IN_USE = 'in-use';
const BYTES = 'bytes';
/** Copied lists and caches of apt: large, and of no use once everything is installed. */
const NOT_KEPT = [BUILD_FOLDER.slice(1), 'var/cache/apt', 'var/lib/apt/lists', ...SEEDED];

function layersFolder(workdir: string): string {
  return path.join(workdir, 'layers');
}

/** Two builds with the same key get the same system, whichever of them made it. */
export async function layerKey(
  base: Pick<Base, 'folder'>,
  job: BuildJob,
  dscFile: string,
  plan: PlannedPackage[],
): Promise<string> {
  const content = await readFile(dscFile, 'utf8');
  const isSigned = content.startsWith('-----BEGIN PGP');
  const dsc = parseDsc(isSigned ? readClearsigned(content).text : content);
  const relations = [
    ...[dsc.buildDepends, dsc.buildDependsArch, dsc.buildDependsIndep],
    ...[dsc.buildConflicts, dsc.buildConflictsArch, dsc.buildConflictsIndep],
  ];
  const sums = plan.map(({ name, sha256 }) => `${name} ${sha256}`).toSorted();
  const text = JSON.stringify([
    // Nothing in a target is ever synced: after a crash a layer may have lost what it says it has.
    ...[LAYER_FORMAT, bootId(), path.basename(base.folder), relations],
    ...[job.binaries, job.buildProfiles, sums],
  ]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** The layer with this key, held until released; null when there is none. */
export async function findLayer(workdir: string, key: string): Promise<Layer | null> {
  const folder = path.join(layersFolder(workdir), key);
  if (!existsSync(path.join(folder, 'root'))) return null;
  const lock = await tryLockFile(path.join(folder, IN_USE), 'shared').catch(() => null);
  if (lock === null) return null;
  if (!existsSync(path.join(folder, 'root'))) {
    await lock.release();
    return null;
  }
  const now = new Date();
  await utimes(path.join(folder, IN_USE), now, now);
  return { root: path.join(folder, 'root'), release: () => lock.release() };
}

/** Of a tree with files of subuids. */
async function sizeOf(folder: string): Promise<number> {
  const du = ['du', '--summarize', '--block-size=1', '--', folder];
  const { stdout } = await run([...USER_NAMESPACE, ...du]);
  return Number.parseInt(stdout.toString('utf8'), 10) || 0;
}

/**
 * Makes what was written in a stopped target a layer, and gives it; `upper` is gone then. Where another build
 * was first, its layer is given: it is the same.
 */
export async function makeLayer(workdir: string, key: string, upper: string, owner: string): Promise<Layer> {
  const folder = path.join(layersFolder(workdir), key);
  const partial = `${folder}.${owner}.partial`;
  await mkdir(partial, { recursive: true });
  for (const name of NOT_KEPT) await removeTree(path.join(upper, name));
  await rename(upper, path.join(partial, 'root'));
  await writeFile(path.join(partial, IN_USE), '');
  await writeFile(path.join(partial, BYTES), String(await sizeOf(partial)));
  // Fails where the other's stands already: a folder is only renamed over an empty one.
  const isMine = await rename(partial, folder).then(
    () => true,
    () => false,
  );
  if (!isMine) await removeTree(partial);
  const layer = await findLayer(workdir, key);
  if (layer !== null) return layer;
  throw new Error(`The layer ${key} vanished`);
}

export interface Evictable {
  bytes: number;
  lastUsedMs: number;
  remove(): Promise<void>;
}

async function removeLayer(folder: string): Promise<void> {
  const lock: HeldLock | null = await tryLockFile(path.join(folder, IN_USE), 'exclusive');
  if (lock === null) return;
  if (!(await isKeptBelow(folder))) await removeTree(folder);
  await lock.release();
}

/** A partial one left by a runner that was killed is older than any setup takes. */
const FORGOTTEN_MS = 24 * 3_600_000;

/** Every layer as something that can go. Removes what killed runners left. */
export async function evictableLayers(workdir: string): Promise<Evictable[]> {
  const found: Evictable[] = [];
  for (const name of await readdir(layersFolder(workdir)).catch(() => [])) {
    const folder = path.join(layersFolder(workdir), name);
    const used = await stat(name.endsWith('.partial') ? folder : path.join(folder, IN_USE)).catch(() => null);
    if (used === null) continue;
    if (!name.endsWith('.partial')) {
      const bytes = Number(await readFile(path.join(folder, BYTES), 'utf8').catch(() => '0'));
      found.push({ bytes, lastUsedMs: used.mtimeMs, remove: () => removeLayer(folder) });
    } else if (Date.now() - used.mtimeMs > FORGOTTEN_MS) await removeTree(folder);
  }
  return found;
}
