/** Before the first byte to a folder of this machine: it can be made and written, and has room. */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError, hasErrno, messageOf } from '../../../../shared/errors/app-error.ts';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import type { SyncJob } from '../job.ts';
import type { Target } from '../targets.ts';

/** Throws `target-unreachable`, `target-not-writable` or `target-full`. */
export async function checkFolder(target: Target, root: string, job: SyncJob): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o755 }).catch((error: unknown) => {
    throw new AppError('target-unreachable', `${root} cannot be made: ${messageOf(error)}`, {
      hint: 'Is something else in its place, or its disk not mounted?',
      cause: error,
    });
  });
  const probe = path.join(root, `.probe-${randomBytes(6).toString('hex')}`);
  try {
    await writeFile(probe, 'probe\n', { flag: 'wx' });
  } catch (error) {
    if (hasErrno(error, 'ENOSPC', 'EDQUOT')) throw diskFull(root, 'not even a probe could be written', error);
    throw notWritable(root, error);
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
  }
  const { bavail, bsize } = await statfs(root);
  const free = bavail * bsize;
  const needed = (target.minFreeBytes ?? 0) + (await bytesToCopy(root, job));
  if (free < needed) throw diskFull(root, `${String(free)} bytes are free, ${String(needed)} are needed`);
}

export function notWritable(root: string, error: unknown): AppError {
  return new AppError('target-not-writable', `${root} cannot be written: ${messageOf(error)}`, {
    hint: "The repository's user must own it, and its disk must not be read-only.",
    cause: error,
  });
}

export function diskFull(root: string, why: string, cause?: unknown): AppError {
  return new AppError('target-full', `The disk of ${root} is full: ${why}`, {
    hint: 'Free space there, or lower minFreeBytes of this target.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Links on the same file system take no room. A comparison of everything is taken as it comes. */
async function bytesToCopy(root: string, job: SyncJob): Promise<number> {
  const [own, theirs] = await Promise.all([stat(job.staging), stat(root)]);
  if (own.dev === theirs.dev || job.poolFiles === null) return 0;
  let bytes = 0;
  for (const file of job.poolFiles) {
    bytes += (await stat(joinInside(job.pool, file.path)).catch(() => null))?.size ?? 0;
  }
  return bytes;
}
