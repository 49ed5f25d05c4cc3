/**
 * Follows build.log on the host into the attempt's own, live. The local file's size is all the memory there
 * is: whoever follows next goes on there. Chunks are written at their place, not appended, so two followers
 * for a moment (a dispatcher that lost its lock without noticing) write the same bytes twice, not twice as
 * many.
 */
import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { HostFault } from './faults.ts';
import { callRunner, type Remote } from './remote.ts';

/** The runner cuts the log itself and says so; this much more may come before the host is not believed. */
const SLACK_BYTES = 1024 * 1024;

/** Returns once the attempt is done and its whole log is here. Throws HostFault, `ssh-lost`, `signal`'s reason. */
export async function followLog(
  remote: Remote,
  folder: string,
  logFile: string,
  maxLogBytes: number,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(path.dirname(logFile), { recursive: true });
  const log = await open(logFile, constants.O_CREAT | constants.O_RDWR, 0o644);
  try {
    let size = (await log.stat()).size;
    await callRunner(remote, ['follow', folder, String(size)], {
      signal,
      onStdout: async (chunk) => {
        if (size + chunk.length > maxLogBytes + SLACK_BYTES) {
          throw new HostFault(`The log is longer than the ${String(maxLogBytes)} bytes it may have`);
        }
        for (let at = 0; at < chunk.length;) {
          at += (await log.write(chunk, at, chunk.length - at, size + at)).bytesWritten;
        }
        size += chunk.length;
      },
    });
    await log.datasync();
  } finally {
    await log.close();
  }
}
