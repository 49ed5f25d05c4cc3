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
