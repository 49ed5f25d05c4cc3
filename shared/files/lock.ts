import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../errors/app-error.ts';
import { tryLock } from './flock.ts';

/**
 * Runs `work` while holding an exclusive flock(2) on `file`: across processes, and let go by the kernel when
 * the holder dies. Waits at most `waitS` seconds; then throws `lock-busy`.
 */
export async function withFileLock<T>(file: string, waitS: number, work: () => Promise<T>): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  const handle = await open(file, 'a');
  try {
    if (await tryLock(handle, { waitS })) return await work();
    throw new AppError('lock-busy', `Another process holds ${file}`);
  } finally {
    await handle.close();
  }
}

export interface HeldLock {
  release(): Promise<void>;
}

/** Takes the lock on `file` (made if missing) without waiting; null when it is held in a way that excludes this one. */
export async function tryLockFile(file: string, mode: 'shared' | 'exclusive'): Promise<HeldLock | null> {
  const handle = await open(file, 'a');
  if (await tryLock(handle, { mode })) return { release: () => handle.close() };
  await handle.close();
  return null;
}
