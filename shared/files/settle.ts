/** Many files and folders made durable together. */
import { open } from 'node:fs/promises';
import { hasErrno } from '../errors/app-error.ts';
import { runChecked } from '../process/run.ts';

/** From so many on, one sync of the file system is cheaper than one of each. */
const MAX_SINGLE_FSYNCS = 50;
/** A journal writes down together what comes together. */
const AT_ONCE = 8;
/** A file system with much to write takes its time. */
const SYNC_TIMEOUT_MS = 60 * 60_000;

/**
 * Makes the content of these files and the names in these folders, all on the file system of `root`, survive a power
 * cut. What is gone by now needs nothing.
 */
export async function settlePaths(paths: Iterable<string>, root: string): Promise<void> {
  const rest = [...new Set(paths)];
  if (rest.length > MAX_SINGLE_FSYNCS) return syncFileSystem(root);
  while (rest.length > 0) await Promise.all(rest.splice(0, AT_ONCE).map(settleOne));
}

/** Makes everything on the file system of `root` survive a power cut; syncfs(2). */
export async function syncFileSystem(root: string): Promise<void> {
  await runChecked(['sync', '--file-system', root], { timeoutMs: SYNC_TIMEOUT_MS });
}

async function settleOne(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
}
