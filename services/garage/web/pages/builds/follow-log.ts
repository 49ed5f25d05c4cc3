/** Follows a log as it grows: what a log stream sends, independent of how it is sent. */
import { setTimeout as delay } from 'node:timers/promises';
import type { FileHandle } from 'node:fs/promises';
import { openLog, PIECE_BYTES, plain, readAt, takeText } from './log-file.ts';

/** How often the file is looked at: quick for the eye, nothing for the disk. */
const POLL_MS = 500;
/** The attempt's row is read at every so many looks at the file. */
const STATE_EVERY_POLLS = 4;
/** Something is said at least this often, so that proxies keep the connection. */
const SILENCE_POLLS = 30;

export type LogEvent =
  | { kind: 'text'; text: string; end: number }
  | { kind: 'stage'; stage: string }
  | { kind: 'silence' }
  | { kind: 'end' };

export interface AttemptState {
  stage: string;
  finished: boolean;
}

export interface FollowOptions {
  file: string;
  /** Byte offset to begin at. */
  from: number;
  /** The attempt as it is now; `finished` must become true only when the log is whole. */
  state(): Promise<AttemptState>;
  signal: AbortSignal;
  pollMs?: number;
}

/** Yields what is new until the attempt is finished and everything was sent, or the signal is aborted. */
export async function* followLog(options: FollowOptions): AsyncGenerator<LogEvent> {
  const { signal, pollMs = POLL_MS } = options;
  let handle: FileHandle | null = null;
  let at = options.from;
  let stage = '';
  let silent = 0;
  try {
    for (let poll = 0; !signal.aborted; poll += 1) {
      // Before the file is read: when it is finished then, what is read is all there will be.
      const state = poll % STATE_EVERY_POLLS === 0 ? await options.state() : undefined;
      if (state && state.stage !== stage) yield { kind: 'stage', stage: (stage = state.stage) };
      handle ??= await openLog(options.file);
      const before = at;
      for await (const piece of handle ? pieces(handle, at, state?.finished ?? false) : []) {
        at += piece.length;
        yield { kind: 'text', text: plain(piece.toString('utf8')), end: at };
        if (signal.aborted) return;
      }
      if (state?.finished) {
        yield { kind: 'end' };
        return;
      }
      silent = at === before ? silent + 1 : 0;
      if (silent > 0 && silent % SILENCE_POLLS === 0) yield { kind: 'silence' };
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await handle?.close();
  }
}

/** What is in the file now, in pieces that can be shown; `all` also takes an unfinished last line. */
async function* pieces(handle: FileHandle, from: number, all: boolean): AsyncGenerator<Buffer> {
  let at = from;
  for (;;) {
    const bytes = await readAt(handle, at, PIECE_BYTES);
    const isLast = bytes.length < PIECE_BYTES;
    const piece = takeText(bytes, all && isLast);
    if (piece.length === 0) return;
    at += piece.length;
    yield piece;
    if (isLast) return;
  }
}
