/** flock(2) on a file, held by this process and let go by the kernel when it dies. */
import { open } from 'node:fs/promises';
import { spawn } from 'node:child_process';

export interface HeldLock {
  release(): Promise<void>;
}

/** Takes the lock without waiting; null when it is held in a way that excludes this one. */
export async function tryLock(file: string, mode: 'shared' | 'exclusive'): Promise<HeldLock | null> {
  const handle = await open(file, 'a');
  const code = await new Promise<number | null>((resolve, reject) => {
    // The child locks the open file description that it shares with us, so the lock outlives it.
    const child = spawn('flock', [`--${mode}`, '--nonblock', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', handle.fd],
    });
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === 0) return { release: () => handle.close() };
  await handle.close();
  return null;
}
