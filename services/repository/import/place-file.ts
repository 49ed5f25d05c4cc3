/** Gives a file of an imported repository its name in the pool: as a hard link where that is safe, else a copy. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmSync,
  type BigIntStats,
} from 'node:fs';
import path from 'node:path';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { hashFile } from '../../../shared/files/hash-file.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { stampOf } from './open-file.ts';
import type { ReadFile } from './read-package.ts';

/** `auto`: link what nobody else can write to, copy the rest. */
export type PlaceMode = 'auto' | 'link' | 'copy';

/** Group or others may write. */
const WRITABLE_BY_OTHERS = 0o022n;
const READABLE_BY_ALL = 0o444n;

/**
 * Promises that the pool has the file that was read, as `file.path`. Not durable yet: whoever places many syncs
 * once. Throws `file-changed`, `file-missing` or `pool-file-differs` for what is the file's fault.
 */
export async function placeFile(root: string, pool: string, file: ReadFile, mode: PlaceMode): Promise<void> {
  const from = joinInside(root, file.from);
  const target = joinInside(pool, file.path);
  const source = lstatSync(from, { bigint: true, throwIfNoEntry: false });
  if (source === undefined) {
    throw new AppError('file-missing', `Can't stat ${file.from}: No such file or directory`);
  }
  requireStamp(source, file);
  try {
    makeTarget(from, target, mode === 'link' || (mode === 'auto' && isSafeToShare(source)), mode);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
    await requireThere(target, source, file);
    return;
  }
  // It may have been replaced between the look and the link.
  const made = lstatSync(target, { bigint: true });
  if (stampOf(made) === file.stamp) return; // the same inode
  const isCopied =
    made.size === BigInt(file.size) && stampOf(lstatSync(from, { bigint: true })) === file.stamp;
  if (isCopied && made.ino !== source.ino) return;
  rmSync(target, { force: true });
  throw changed(file);
}

/** Throws EEXIST where the name is taken. */
function makeTarget(from: string, target: string, isLinked: boolean, mode: PlaceMode): void {
  const make = isLinked ? linkSync : copyInto;
  try {
    make(from, target);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      mkdirSync(path.dirname(target), { recursive: true });
      make(from, target);
    } else if (isLinked && mode === 'auto' && hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) {
      mkdirSync(path.dirname(target), { recursive: true });
      copyInto(from, target);
    } else {
      throw error;
    }
  }
}

/** Ours or the system's, closed to others' writing, and readable as published files are. */
function isSafeToShare(source: BigIntStats): boolean {
  const isOurs = source.uid === BigInt(process.getuid?.() ?? -1) || source.uid === 0n;
  return (
    isOurs && (source.mode & WRITABLE_BY_OTHERS) === 0n && (source.mode & READABLE_BY_ALL) === READABLE_BY_ALL
  );
}

function copyInto(from: string, target: string): void {
  // Hidden, so that neither rsync nor a web server takes it up.
  const temporary = path.join(
    path.dirname(target),
    `.${path.basename(target)}.${randomBytes(6).toString('hex')}`,
  );
  try {
    copyFileSync(from, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    chmodSync(temporary, 0o644);
    linkSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Passes when the very file is there: the same inode, or the same content. */
async function requireThere(target: string, source: BigIntStats, file: ReadFile): Promise<void> {
  const found = lstatSync(target, { bigint: true });
  if (found.ino === source.ino && found.dev === source.dev) return;
  if (found.isFile() && found.size === BigInt(file.size)) {
    const { sums } = await hashFile(target, ['sha256']);
    if (sums['sha256'] === file.sha256) return;
  }
  throw new AppError(
    'pool-file-differs',
    `The pool's ${file.path} is not the file that was published under this name`,
  );
}

function requireStamp(found: BigIntStats, file: ReadFile): void {
  if (stampOf(found) !== file.stamp) throw changed(file);
}

function changed(file: ReadFile): AppError {
  return new AppError('file-changed', `${file.from} changed since it was read; the next run reads it again`);
}
