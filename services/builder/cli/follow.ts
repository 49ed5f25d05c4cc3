/** `follow`: build.log from a byte on, as it grows, to stdout. */
import { watch, type FSWatcher } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { usageError, type Attempt } from '../build/attempt.ts';
import { runnerState } from '../build/liveness.ts';
import { POLL_MS } from '../build/poll.ts';
import { isDone, settleDead } from '../results/state-files.ts';
import { EXIT } from './exit-codes.ts';

const CHUNK_BYTES = 256 * 1024;

/** Sends what the log has beyond `offset`; gives the new offset. */
async function send(log: FileHandle, offset: number, buffer: Buffer): Promise<number> {
  let at = offset;
  for (;;) {
    const { bytesRead } = await log.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return at;
    at += bytesRead;
    // A copy, since a slow reader still holds it when the next piece is read.
    if (!process.stdout.write(Buffer.from(buffer.subarray(0, bytesRead))))
      await once(process.stdout, 'drain');
  }
}

/** Waits for a change of the folder or one poll, whichever comes first. */
class Hint {
  #watcher: FSWatcher | null = null;
  #wake: (() => void) | null = null;

  constructor(folder: string) {
    try {
      this.#watcher = watch(folder, () => this.#wake?.());
      this.#watcher.on('error', () => undefined); // polling goes on
    } catch {
      // No inotify watches left; polling does it alone.
    }
  }

  async wait(): Promise<void> {
    const controller = new AbortController();
    const change = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([
      change,
      delay(POLL_MS, undefined, { signal: controller.signal }).catch(() => undefined),
    ]);
    controller.abort();
  }

  close(): void {
    this.#watcher?.close();
  }
}

async function openLog(attempt: Attempt, hint: Hint): Promise<FileHandle | null> {
  for (;;) {
    const wasDone = isDone(attempt);
    const log = await open(attempt.log, 'r').catch(() => null);
    if (log !== null || wasDone) return log;
    await settleDead(attempt);
    await hint.wait();
  }
}

async function sendAll(attempt: Attempt, log: FileHandle, offset: number, hint: Hint): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let at = offset;
  for (;;) {
    const wasDone = isDone(attempt); // before the read, so that nothing comes after the last one
    at = await send(log, at, buffer);
    if (wasDone) return;
    await settleDead(attempt);
    await hint.wait();
  }
}

/**
 * Ends with 0 once the status is `done` and everything was sent. Gives an attempt whose runner died its
 * result. Throws `usage` for an attempt that was never started.
 */
export async function follow(attempt: Attempt, offset: number): Promise<number> {
  if (runnerState(attempt) === 'none') throw usageError(`Attempt ${attempt.id} was never started`);
  const hint = new Hint(attempt.folder);
  const log = await openLog(attempt, hint);
  try {
    if (log !== null) await sendAll(attempt, log, offset, hint);
    return EXIT.ok;
  } finally {
    hint.close();
    await log?.close();
  }
}
