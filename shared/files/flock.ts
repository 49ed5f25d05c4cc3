import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { AppError } from '../errors/app-error.ts';

/** flock(1)'s exit status when `--nonblock` finds the lock taken. */
const BUSY = 1;

/**
 * Takes an exclusive flock(2) on an open file without waiting; false when somebody else holds one. It
 * holds across processes (and between two handles of this one) until the handle is closed, and the
 * kernel lets it go when the holder dies. Throws `lock-failed` when flock(1) cannot do it.
 */
export async function tryLock(handle: FileHandle): Promise<boolean> {
  const code = await new Promise<number | null>((resolve, reject) => {
    // The child locks the open file description that it shares with us; the lock stays when it ends.
    const child = spawn('flock', ['--exclusive', '--nonblock', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', handle.fd],
    });
    child.once('error', (cause) =>
      reject(new AppError('lock-failed', 'flock(1) could not be started', { cause })),
    );
    child.once('close', resolve);
  });
  if (code === 0) return true;
  if (code === BUSY) return false;
  throw new AppError('lock-failed', `flock(1) ended with ${String(code)}`);
}
