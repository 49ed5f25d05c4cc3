import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { AppError } from '../errors/app-error.ts';

/**
 * Runs `work` while holding an flock(1) on `file`: across processes, and let go by the kernel when the
 * holder dies. Waits at most `waitS` seconds; then throws `lock-busy`.
 */
export async function withFileLock<T>(file: string, waitS: number, work: () => Promise<T>): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  const handle = await open(file, 'a');
  try {
    await new Promise<void>((resolve, reject) => {
      // The child locks the open file description it shares with us; the lock stays when it ends.
      const child = spawn('flock', ['--exclusive', '--wait', String(waitS), '3'], {
        stdio: ['ignore', 'ignore', 'ignore', handle.fd],
      });
      child.once('error', reject);
      child.once('close', (code) =>
        code === 0 ? resolve() : reject(new AppError('lock-busy', `Another process holds ${file}`)),
      );
    });
    return await work();
  } finally {
    await handle.close();
  }
}
