import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { AppError } from '../errors/app-error.ts';

/** flock(1)'s exit status when the lock is taken and stays so. */
const BUSY = 1;

export interface LockOptions {
  /** Several may hold a shared one at a time. Default: exclusive. */
  mode?: 'shared' | 'exclusive';
  /** Default: not at all. */
  waitS?: number;
}

/**
 * Takes an flock(2) on an open file; false when somebody else holds one that excludes it, after the wait.
 * It holds across processes (and between two handles of this one) until the handle is closed, and the
 * kernel lets it go when the holder dies. Throws `lock-failed` when flock(1) cannot do it.
 */
export async function tryLock(handle: FileHandle, options: LockOptions = {}): Promise<boolean> {
  const patience = options.waitS === undefined ? ['--nonblock'] : ['--wait', String(options.waitS)];
  const code = await new Promise<number | null>((resolve, reject) => {
    // The child locks the open file description that it shares with us; the lock stays when it ends.
    const child = spawn('flock', [`--${options.mode ?? 'exclusive'}`, ...patience, '3'], {
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
