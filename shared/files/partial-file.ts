/**
 * A file that is arriving: `<name>.partial` until it is whole, then `<name>` by one rename. The upload
 * services of drop and the web form write through this, so nobody ever sees half a file.
 *
 * Rules, held across processes:
 * - A `.partial` is renamed or removed only by whoever holds the flock on it, and only after checking
 *   that the name still means the locked file. The kernel lets go of a killed process's lock, so what
 *   it left is taken over by the next writer of that name, or swept.
 * - A second writer of the same name at the same time is refused (`file-busy`).
 * - A complete file of the same name that nobody has taken yet is **replaced** at commit: people upload
 *   again (`dput -f`) after a mistake. The rename is atomic, so a taker gets the old or the new one,
 *   and whoever takes a file hashes it after taking. A taker that has moved the old one away is not
 *   disturbed at all.
 */
import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { AppError, hasErrno } from '../errors/app-error.ts';
import { isUploadName, PARTIAL } from '../protocol/spool.ts';
import { fsyncDirectory } from './durable.ts';
import { Extents } from './extents.ts';
import { tryLock } from './flock.ts';

/** Readable for the group, so that garage under another user can take what drop wrote. */
const FILE_MODE = 0o640;
const FOLDER_MODE = 0o770;
/** Ranges apart from each other while pieces come out of order; clients keep 64 requests on the way. */
const MAX_EXTENTS = 128;
/** Times that a writer may lose the race for a name that is being renamed away under it. */
const MAX_LOCK_TRIES = 5;

export interface PartialFileOptions {
  /** The most bytes the file may hold. */
  maxBytes: number;
}

export interface PartialFile {
  /** The name it will have when whole. */
  readonly name: string;
  /** Bytes from the start to the end of the last piece written so far. */
  readonly size: number;
  /**
   * Writes all of `chunk` at `position`, by default after the last byte written without one. Calls may overlap. Throws
   * `file-too-large`, `file-has-holes` (too many separate pieces), `disk-full`, `file-closed`.
   */
  write(chunk: Uint8Array, position?: number): Promise<void>;
  /** Cuts the file to `size` bytes. Never grows it: throws `file-has-holes`. */
  truncate(size: number): Promise<void>;
  /**
   * Waits for writes under way, then makes the file whole and durable under its name, replacing one that
   * is there. Whatever it throws (a failed write's error, `file-has-holes`, `file-lost`), the partial file is gone then.
   */
  commit(): Promise<void>;
  /** Removes the partial file. Does nothing after commit or a first abort; never throws for a file that is gone. */
  abort(): Promise<void>;
}

/**
 * Starts a file in `folder` (made if missing). Throws `file-name-invalid`, `file-busy` (another writer
 * is at it) or `file-not-regular` (something else has the `.partial` name).
 */
export async function openPartialFile(
  folder: string,
  name: string,
  options: PartialFileOptions,
): Promise<PartialFile> {
  assertUploadName(name);
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  const file = path.join(folder, name + PARTIAL);
  for (let tries = 0; tries < MAX_LOCK_TRIES; tries += 1) {
    const handle = await openLocked(file, constants.O_CREAT);
    if (handle === 'gone') continue;
    if (handle === 'busy') break;
    try {
      await handle.truncate(0); // what a killed writer left
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new LockedPartialFile(handle, folder, name, options.maxBytes);
  }
  throw new AppError('file-busy', `File '${name}' is being uploaded by another connection`, {
    hint: 'Wait for the other upload to end, then try again.',
  });
}

/**
 * Removes a `.partial` that nobody writes and that was last written before `before`; true if it did.
 * Safe against a writer that takes it over at this moment.
 */
export async function removeStalePartial(file: string, before: Date): Promise<boolean> {
  const seen = await lstatOrNull(file);
  if (!seen?.isFile() || seen.mtime >= before) return false;
  const handle = await openLocked(file, 0);
  if (typeof handle === 'string') return false;
  try {
    if ((await handle.stat()).mtime >= before) return false;
    await unlink(file);
    return true;
  } finally {
    await handle.close();
  }
}

/** Throws `file-name-invalid` unless a person may upload a file of this name. */
export function assertUploadName(name: string): void {
  if (isUploadName(name)) return;
  throw new AppError('file-name-invalid', `'${name.slice(0, 80)}' is not a name that an upload may have`, {
    hint: `Names start with a letter or digit, hold letters, digits and _ . ~ + -, have at most 200 characters and do not end in ${PARTIAL}.`,
  });
}

/** The file open and locked; `busy` when another holds it, `gone` when the name stopped meaning this file. */
async function openLocked(file: string, create: number): Promise<FileHandle | 'busy' | 'gone'> {
  let handle: FileHandle;
  try {
    handle = await open(file, constants.O_RDWR | constants.O_NOFOLLOW | create, FILE_MODE);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') && !create) return 'gone';
    if (hasErrno(error, 'ELOOP', 'EISDIR', 'ENXIO')) throw notRegular(file, error);
    throw diskError(error);
  }
  let kept = false;
  try {
    if (!(await handle.stat()).isFile()) throw notRegular(file);
    if (!(await tryLock(handle))) return 'busy';
    // Between open and lock the last holder may have renamed it to its final name: never touch that.
    if (!(await isSameFile(handle, file))) return 'gone';
    kept = true;
    return handle;
  } finally {
    if (!kept) await handle.close();
  }
}

class LockedPartialFile implements PartialFile {
  readonly name: string;
  readonly #handle: FileHandle;
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #extents = new Extents();
  readonly #underWay = new Set<Promise<void>>();
  #cursor = 0;
  #failure: unknown;
  #ended = false;

  constructor(handle: FileHandle, folder: string, name: string, maxBytes: number) {
    this.#handle = handle;
    this.#folder = folder;
    this.name = name;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#extents.end;
  }

  async write(chunk: Uint8Array, position: number = this.#cursor): Promise<void> {
    this.#assertOpen();
    const end = position + chunk.length;
    if (!(position >= 0 && end <= this.#maxBytes)) throw this.#fail(this.#tooLarge());
    this.#extents.add(position, end);
    this.#cursor = end;
    if (this.#extents.count > MAX_EXTENTS) throw this.#fail(this.#holes());
    const writing = writeAll(this.#handle, chunk, position);
    this.#underWay.add(writing);
    try {
      await writing;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#underWay.delete(writing);
    }
  }

  async truncate(size: number): Promise<void> {
    this.#assertOpen();
    if (size > this.size) throw this.#holes();
    await this.#settled();
    await this.#handle.truncate(size);
    this.#extents.cut(size);
    this.#cursor = Math.min(this.#cursor, size);
  }

  async commit(): Promise<void> {
    this.#assertOpen();
    this.#ended = true;
    const partial = path.join(this.#folder, this.name + PARTIAL);
    try {
      await this.#settled();
      if (this.#failure !== undefined) throw this.#failure;
      if (!this.#extents.whole) throw this.#holes();
      await this.#handle.sync();
      if (!(await isSameFile(this.#handle, partial))) throw this.#lost();
      await rename(partial, path.join(this.#folder, this.name));
      await fsyncDirectory(this.#folder);
    } catch (error) {
      await this.#remove();
      throw diskError(error);
    } finally {
      await this.#handle.close();
    }
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#settled();
    await this.#remove();
    await this.#handle.close();
  }

  async #remove(): Promise<void> {
    const partial = path.join(this.#folder, this.name + PARTIAL);
    // Failing here is left to the sweep: the caller has a better error to report.
    if (await isSameFile(this.#handle, partial).catch(() => false))
      await unlink(partial).catch(() => undefined);
  }

  async #settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  /** Remembers the first failure, so that a caller who does not look at each write cannot commit. */
  #fail(error: unknown): unknown {
    this.#failure ??= error;
    return error;
  }

  #assertOpen(): void {
    if (this.#ended) throw new AppError('file-closed', `File '${this.name}' is no longer being written`);
  }

  #tooLarge(): AppError {
    return new AppError(
      'file-too-large',
      `File '${this.name}' is larger than the ${String(this.#maxBytes)} bytes allowed`,
      { hint: 'Ask the administrator to raise the limit if the file must be that large.' },
    );
  }

  #holes(): AppError {
    return new AppError('file-has-holes', `Parts of '${this.name}' were never written`, {
      hint: 'Upload the whole file again; resuming a broken upload is not possible.',
    });
  }

  #lost(): AppError {
    return new AppError('file-lost', `The partial file of '${this.name}' was removed while it was written`, {
      hint: 'Upload the file again.',
    });
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < chunk.length) {
    try {
      const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done);
      done += bytesWritten;
    } catch (error) {
      throw diskError(error);
    }
  }
}

async function isSameFile(handle: FileHandle, file: string): Promise<boolean> {
  const [mine, there] = await Promise.all([handle.stat(), lstatOrNull(file)]);
  return there !== null && there.ino === mine.ino && there.dev === mine.dev;
}

async function lstatOrNull(file: string): Promise<Stats | null> {
  try {
    return await lstat(file);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

function notRegular(file: string, cause?: unknown): AppError {
  return new AppError('file-not-regular', `'${path.basename(file)}' is not a regular file`, {
    hint: 'Ask the administrator to remove it from the incoming folder.',
    cause,
  });
}

function diskError(error: unknown): unknown {
  if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) return error;
  return new AppError('disk-full', 'The server has no room left for uploads', {
    hint: 'Nothing is wrong with your file; tell the administrator and try again later.',
    cause: error,
  });
}
