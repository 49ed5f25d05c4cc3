/**
 * Copies a set's files to where only the repository writes, and checks the copies: whoever made the
 * originals may still have them open.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';

const CHUNK_BYTES = 1024 * 1024;

/** A file with every sum that an index or a .dsc may ask for. */
export interface TakenFile {
  name: string;
  /** The copy; durable once {@link settlePaths} was called for it. */
  file: string;
  size: number;
  md5: string;
  sha1: string;
  sha256: string;
}

/**
 * Makes `work` anew and fills it; what comes is not durable yet, so that many sets are made so together. Throws `set-file-size` or `set-file-sum` (the words people search for),
 * `set-file-not-regular`.
 */
export async function takeOver(
  folder: string,
  files: readonly FileEntry[],
  work: string,
): Promise<Map<string, TakenFile>> {
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true, mode: 0o700 });
  const taken = new Map<string, TakenFile>();
  for (const entry of files) {
    taken.set(entry.name, await takeFile(path.join(folder, entry.name), path.join(work, entry.name), entry));
  }
  return taken;
}

async function takeFile(from: string, to: string, entry: FileEntry): Promise<TakenFile> {
  const source = await openRegular(from, entry.name);
  const copy = await open(to, 'wx', 0o644);
  try {
    const { size, md5, sha1, sha256 } = await copyAndHash(source, copy, entry.size);
    if (size !== entry.size) {
      throw new AppError(
        'set-file-size',
        `File size for ${entry.name} does not match that specified in the manifest`,
      );
    }
    if (sha256 !== entry.sha256) {
      throw new AppError(
        'set-file-sum',
        `sha256sum for ${entry.name} does not match that specified in the manifest`,
      );
    }
    await copy.chmod(0o644);
    return { name: entry.name, file: to, size, md5, sha1, sha256 };
  } finally {
    await source.close();
    await copy.close();
  }
}

async function openRegular(file: string, name: string): Promise<FileHandle> {
  // Not blocking: a FIFO that took the file's place must not hold us.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new AppError('set-file-not-regular', `${name} is not a regular file`);
}

/** Stops one byte past `limit`, so that a file that grows cannot fill the disk. */
async function copyAndHash(
  source: FileHandle,
  copy: FileHandle,
  limit: number,
): Promise<{ size: number; md5: string; sha1: string; sha256: string }> {
  const hashes = { md5: createHash('md5'), sha1: createHash('sha1'), sha256: createHash('sha256') };
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, limit + 1));
  let size = 0;
  while (size <= limit) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, limit + 1 - size));
    if (bytesRead === 0) break;
    const bytes = buffer.subarray(0, bytesRead);
    size += bytesRead;
    for (const hash of Object.values(hashes)) hash.update(bytes);
    await copy.writeFile(bytes);
  }
  return {
    size,
    md5: hashes.md5.digest('hex'),
    sha1: hashes.sha1.digest('hex'),
    sha256: hashes.sha256.digest('hex'),
  };
}
