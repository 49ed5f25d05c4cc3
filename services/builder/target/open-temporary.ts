/** Temporary folders for mmdebstrap and sbuild, which work in them as subuids. */
import { chmod, mkdir, mkdtemp, readdir, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { removeTree } from './userns.ts';

const PREFIX = 'autobuilder-target-';
/** Left by a runner that was killed; no build takes as long. */
const FORGOTTEN_MS = 7 * 24 * 3_600_000;

function temporariesBelow(workdir: string): string {
  return path.join(workdir, 'tmp');
}

/** True when any user may pass through the folder: mmdebstrap and sbuild work in it as subuids. */
async function isOpenToAll(folder: string): Promise<boolean> {
  for (let at = folder; ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

/** A new temporary folder that subuids can reach: beside the bases, in the system's own where that is closed. */
export async function makeOpenTemporary(workdir: string): Promise<string> {
  const beside = temporariesBelow(workdir);
  await mkdir(beside, { recursive: true });
  const parent = (await isOpenToAll(beside)) ? beside : os.tmpdir();
  const folder = await mkdtemp(path.join(parent, PREFIX));
  await chmod(folder, 0o755);
  return folder;
}

/** Removes this user's temporary folders that nobody can be using any more. */
export async function removeOldTemporaries(workdir: string): Promise<void> {
  for (const parent of [temporariesBelow(workdir), os.tmpdir()]) {
    for (const name of await readdir(parent).catch(() => [])) {
      if (!name.startsWith(PREFIX)) continue;
      const folder = path.join(parent, name);
      const info = await stat(folder).catch(() => null);
      if (info === null || info.uid !== process.getuid?.()) continue;
      if (Date.now() - info.mtimeMs > FORGOTTEN_MS) await removeTree(folder);
    }
  }
}
