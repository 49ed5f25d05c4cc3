/** Removes what killed processes left: `.partial` files that nobody has written for a day. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno, messageOf } from '../../../shared/errors/app-error.ts';
import { removeStalePartial } from '../../../shared/files/partial-file.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { PARTIAL } from '../../../shared/protocol/spool.ts';

/** Older than any upload that still moves; the lock protects a slower one anyway. */
export const STALE_AFTER_MS = 24 * 3600 * 1000;
/** How often to look: leftovers are rare and harmless. */
const SWEEP_EVERY_MS = 3600 * 1000;

/** One pass over `incoming/<product>/<login>/`; the number of files removed. */
export async function sweepPartials(incoming: string, before: Date): Promise<number> {
  let removed = 0;
  for (const product of await foldersIn(incoming)) {
    for (const login of await foldersIn(product)) {
      for (const name of await namesIn(login)) {
        if (name.endsWith(PARTIAL) && (await removeStalePartial(path.join(login, name), before)))
          removed += 1;
      }
    }
  }
  return removed;
}

/** Sweeps now and every hour until `signal` aborts. Errors are logged; the next pass tries again. */
export async function keepSwept(incoming: string, log: Logger, signal: AbortSignal): Promise<void> {
  const pass = async (): Promise<void> => {
    try {
      const removed = await sweepPartials(incoming, new Date(Date.now() - STALE_AFTER_MS));
      if (removed > 0) log.info({ removed }, 'stale partial uploads removed');
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'sweep of partial uploads failed');
    }
  };
  await pass();
  if (signal.aborted) return;
  const timer = setInterval(() => void pass(), SWEEP_EVERY_MS);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => path.join(folder, entry.name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
