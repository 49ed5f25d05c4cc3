/**
 * Folders that have the same files as staging: hard links where both are on one file system, copies where
 * they are not. A name is given by link or rename only, so a reader never finds half a file.
 */
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, link, lstat, mkdir, open, readdir, rename, rm, utimes } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import path from 'node:path';
import { AppError, hasErrno } from '../../../../shared/errors/app-error.ts';
import { hashFile } from '../../../../shared/files/hash-file.ts';
import { settlePaths } from '../../../../shared/files/settle.ts';
import type { Sent } from '../job.ts';

/** Live is for everyone to read, whatever this process' umask. */
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** Counts what it does, makes folders once, and makes all of it durable at the end. */
export class Placer {
  readonly sent: Sent = { files: 0, bytes: 0 };
  readonly #root: string;
  readonly #made = new Map<string, Promise<void>>();
  readonly #touched = new Set<string>();
  /** By content where a file is there already, instead of by size and time. */
  readonly #isVerifying: boolean;

  constructor(root: string, isVerifying: boolean) {
    this.#root = root;
    this.#isVerifying = isVerifying;
  }

  /** Makes `target` the same as `source`; what lies there and differs is replaced by one rename. */
  async file(source: string, target: string): Promise<void> {
    await this.folder(path.dirname(target));
    try {
      await link(source, target);
      await this.#placed(source, target);
    } catch (error) {
      if (hasErrno(error, 'EEXIST')) return this.#settle(source, target);
      if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
      return this.#settle(source, target);
    }
  }

  async #settle(source: string, target: string): Promise<void> {
    if (await this.#isSame(source, target)) return;
    // A rename takes the place of a file, never of a folder.
    if ((await look(target))?.isDirectory()) await rm(target, { recursive: true });
    await this.#replace(source, target);
  }

  /** Beside it first, then renamed over it. */
  async #replace(source: string, target: string): Promise<void> {
    const name = `.${path.basename(target)}.${randomBytes(6).toString('hex')}.tmp`;
    const temporary = path.join(path.dirname(target), name);
    try {
      await link(source, temporary).catch(async (error: unknown) => {
        if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
        await copyDurably(source, temporary);
      });
      await rename(temporary, target);
    } finally {
      await rm(temporary, { force: true });
    }
    await this.#placed(source, target);
  }

  async #placed(source: string, target: string): Promise<void> {
    this.#touched.add(path.dirname(target));
    const found = await lstat(target);
    if (!found.isFile()) throw new AppError('sync-source-odd', `${source} is not a file`);
    if ((found.mode & 0o777) !== FILE_MODE) await chmod(target, FILE_MODE);
    this.sent.files += 1;
    this.sent.bytes += found.size;
  }

  async #isSame(source: string, target: string): Promise<boolean> {
    const [from, to] = await Promise.all([lstat(source), look(target)]);
    if (to === null || !to.isFile()) return false;
    if (from.ino === to.ino && from.dev === to.dev) return true;
    if (from.size !== to.size || Math.trunc(from.mtimeMs / 1000) !== Math.trunc(to.mtimeMs / 1000))
      return false;
    if (!this.#isVerifying) return true;
    const [a, b] = await Promise.all([hashFile(source, ['sha256']), hashFile(target, ['sha256'])]);
    return a.sums['sha256'] === b.sums['sha256'];
  }

  /** Makes a folder and those above it, for everyone to read. */
  folder(folder: string): Promise<void> {
    let making = this.#made.get(folder);
    if (!making) {
      making = this.#makeFolder(folder);
      this.#made.set(folder, making);
    }
    return making;
  }

  async #makeFolder(folder: string): Promise<void> {
    if (folder !== this.#root && folder.startsWith(this.#root + path.sep)) {
      await this.folder(path.dirname(folder));
    }
    try {
      await mkdir(folder, { recursive: folder === this.#root });
      this.#touched.add(path.dirname(folder));
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
    }
    const found = await lstat(folder);
    if ((found.mode & 0o777) !== FOLDER_MODE) await chmod(folder, FOLDER_MODE);
  }

  /** Names that were given survive a power cut from here on. */
  async settle(): Promise<void> {
    const folders = [...this.#touched];
    this.#touched.clear();
    // A folder that was made below one and renamed since is settled by that rename's own.
    await settlePaths(folders, this.#root);
  }
}

async function copyDurably(source: string, target: string): Promise<void> {
  await copyFile(source, target);
  const { atime, mtime } = await lstat(source);
  await utimes(target, atime, mtime);
  const handle = await open(target, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function look(file: string): Promise<Stats | null> {
  return lstat(file).catch(() => null);
}

/** Names in a folder, or none when it is not there. */
export async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  });
}
