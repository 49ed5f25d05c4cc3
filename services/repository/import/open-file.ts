/** Files of a repository that is imported, opened without trust and held to what is said of them. */
import { createHash, hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  type BigIntStats,
} from 'node:fs';
import path from 'node:path';
import type { ReadAt } from '../../../shared/debian/ar.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { ExpectedFile } from './candidate.ts';

/** A file with its sums. */
export interface Hashed {
  name: string;
  size: number;
  md5: string;
  sha1: string;
  sha256: string;
  stamp: string;
}

/** Files up to this are read in one piece, once for sums and control data together. */
const WHOLE_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const EMPTY = { md5: '', sha1: '', sha256: '', stamp: '' };
const buffer = Buffer.allocUnsafeSlow(WHOLE_BYTES);

/** What tells that a file was not replaced or written to since: size, time and inode. */
export function stampOf(found: BigIntStats): string {
  return `${String(found.size)} ${String(found.mtimeNs)} ${String(found.ino)}`;
}

/** Opens a regular file below the root and nothing else; throws `file-missing` and the like. */
export async function withFile<T>(
  root: string,
  relative: string,
  work: (fd: number, found: BigIntStats) => Promise<T>,
): Promise<T> {
  let fd: number;
  try {
    // Not blocking: a FIFO must not hold us.
    fd = openSync(
      joinInside(root, relative),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (error) {
    throw openError(relative, error);
  }
  try {
    const found = fstatSync(fd, { bigint: true });
    if (!found.isFile()) throw new AppError('file-not-regular', `${relative} is not a regular file`);
    return await work(fd, found);
  } finally {
    closeSync(fd);
  }
}

/**
 * The file itself where a link stands for it, as aptly may publish; a link that leads out of the root is left as it
 * is, and refused when it is opened.
 */
export function behindLink(root: string, relative: string): string {
  const file = joinInside(root, relative);
  if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return relative;
  try {
    const inside = path.relative(root, realpathSync(file));
    return inside.startsWith('../') ? relative : inside;
  } catch (error) {
    throw openError(relative, error);
  }
}

function openError(relative: string, error: unknown): unknown {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
    return new AppError('file-missing', `Can't stat ${relative}: No such file or directory`);
  }
  if (hasErrno(error, 'ELOOP')) return new AppError('file-not-regular', `${relative} is not a regular file`);
  if (!hasErrno(error, 'EACCES', 'EPERM', 'ENXIO', 'ENAMETOOLONG')) return error;
  return new AppError('file-unreadable', `${relative} cannot be read: ${(error as Error).message}`);
}

/** Sums of an open file; a small one's bytes stay in {@link buffer} for whoever calls. */
export function hashOpen(fd: number, found: BigIntStats, name: string): Hashed {
  const size = Number(found.size);
  const stamp = stampOf(found);
  if (size <= WHOLE_BYTES) {
    const bytes = buffer.subarray(0, readFully(fd, buffer.subarray(0, size), 0));
    if (bytes.length !== size) throw changed(name);
    return {
      name,
      size,
      stamp,
      md5: hash('md5', bytes),
      sha1: hash('sha1', bytes),
      sha256: hash('sha256', bytes),
    };
  }
  const sums = { md5: createHash('md5'), sha1: createHash('sha1'), sha256: createHash('sha256') };
  const chunk = buffer.subarray(0, CHUNK_BYTES);
  let at = 0;
  while (at < size) {
    const length = readFully(fd, chunk, at);
    if (length === 0) throw changed(name);
    for (const sum of Object.values(sums)) sum.update(chunk.subarray(0, length));
    at += length;
  }
  const { md5, sha1, sha256 } = sums;
  return {
    name,
    size: at,
    stamp,
    md5: md5.digest('hex'),
    sha1: sha1.digest('hex'),
    sha256: sha256.digest('hex'),
  };
}

export function readFully(fd: number, into: Buffer, position: number): number {
  let done = 0;
  while (done < into.length) {
    const length = readSync(fd, into, done, into.length - done, position + done);
    if (length === 0) break;
    done += length;
  }
  return done;
}

function changed(name: string): AppError {
  return new AppError('file-changed', `${name} changes while it is read`);
}

/** Holds a file to what an index or a .dsc says; the words people search for. */
export function checkExpected(file: Hashed, expected: ExpectedFile, where: string): void {
  if (file.size !== expected.size) {
    throw new AppError(
      'file-size-differs',
      `File size for ${file.name} does not match that specified in ${where}`,
    );
  }
  for (const sum of ['md5', 'sha1', 'sha256'] as const) {
    const wanted = expected[sum];
    if (wanted !== undefined && wanted !== file[sum]) {
      throw new AppError(
        'file-sum-differs',
        `${sum}sum for ${file.name} does not match that specified in ${where}`,
      );
    }
  }
}

/** Before a large file is read for nothing. */
export function checkSizeFirst(name: string, found: BigIntStats, expected: ExpectedFile | null): void {
  const size = Number(found.size);
  if (expected && expected.size !== size) checkExpected({ ...EMPTY, name, size }, expected, 'the index');
}

/** From the bytes that {@link hashOpen} left, or from the file where it is large. */
export function readerOf(fd: number, size: number): ReadAt {
  return (offset, length) => {
    const wanted = Math.max(0, Math.min(length, size - offset));
    if (size <= WHOLE_BYTES) return Promise.resolve(buffer.subarray(offset, offset + wanted));
    const bytes = Buffer.alloc(wanted);
    return Promise.resolve(bytes.subarray(0, readFully(fd, bytes, offset)));
  };
}
