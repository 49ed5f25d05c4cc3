/**
 * Files of the archive, fetched into a folder of partial files under the name of their sum. What is there of one
 * is never fetched again: a name that is a sum can only mean one content, so half a file is gone on with, whoever
 * began it and whenever. Nothing is used before its size and sum were checked.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, hasErrno } from '../../../../shared/errors/app-error.ts';
import type { Limiter } from './limiter.ts';
import type { Origin } from './origin.ts';

/** Failures in a row, without a byte in between, before a file is given up. */
const MAX_FAILURES = 4;
/** All tries of one file: each brought some bytes, but a connection that always breaks is of no use. */
const MAX_TRIES = 50;
export const RETRY_FIRST_MS = 500;
/** A connection on which nothing comes for this long is dead. */
export const STALL_MS = 60_000;
/** One file on the slowest line that is still worth waiting for. */
const FILE_TIMEOUT_MS = 12 * 3600_000;

/** What may pass by itself. */
const TRANSIENT: ReadonlySet<string> = new Set([
  ...['mirror-unreachable', 'mirror-unavailable', 'mirror-truncated', 'mirror-stalled'],
]);

/** What a file must be. */
export interface Expected {
  /** Bytes. */
  size: number;
  /** `sha256:` or `sha512:` and lower-case hexadecimal. */
  checksum: string;
}

export interface Fetching {
  origin: Origin;
  limiter: Limiter;
  /** Of partial files; made. */
  folder: string;
  retryFirstMs: number;
  stallMs: number;
  signal?: AbortSignal;
  /** Bytes that came in. */
  onBytes?: (count: number) => void;
}

/** The algorithm and the hexadecimal digits of a checksum. */
export function partsOfChecksum(checksum: string): { algorithm: 'sha256' | 'sha512'; digest: string } {
  const [algorithm, digest] = checksum.split(':');
  if ((algorithm !== 'sha256' && algorithm !== 'sha512') || digest === undefined) {
    throw new Error(`no checksum: ${checksum}`);
  }
  return { algorithm, digest };
}

/** Where a file lies while it comes, and, until somebody takes it, when it is whole. */
export function partialFile(folder: string, expected: Expected): string {
  return path.join(folder, partsOfChecksum(expected.checksum).digest);
}

/**
 * Fetches a file from the first of `paths` that has it and returns where it lies, checked and durable. Throws
 * `mirror-file-missing`, `mirror-sum-mismatch` (also for one that is longer than said), `disk-full`, and what `Origin.open` throws.
 */
export async function fetchFile(
  fetching: Fetching,
  paths: readonly string[],
  expected: Expected,
): Promise<string> {
  let mismatch: AppError | null = null;
  for (const each of paths) {
    try {
      if (await withRetries(fetching, expected, () => fetchOnce(fetching, each, expected))) {
        return partialFile(fetching.folder, expected);
      }
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'mirror-sum-mismatch') throw error;
      mismatch = error;
    }
  }
  throw mismatch ?? new AppError('mirror-file-missing', `The archive has no ${paths.at(-1) ?? ''}`);
}

/** A small file as a whole, or null when it is not there. Throws `mirror-too-large` past `maxBytes`. */
export async function fetchSmall(fetching: Fetching, file: string, maxBytes: number): Promise<Buffer | null> {
  return withRetries(fetching, null, async () => {
    const opened = await fetching.origin.open(file, 0, fetching.signal);
    if (!opened) return null;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of watched(opened.body, fetching.stallMs)) {
      size += chunk.length;
      if (size > maxBytes) {
        throw new AppError('mirror-too-large', `${file} has more than ${String(maxBytes)} bytes`);
      }
      chunks.push(chunk);
      fetching.onBytes?.(chunk.length);
      await fetching.limiter.take(chunk.length, fetching.signal);
    }
    return Buffer.concat(chunks);
  });
}

async function withRetries<T>(
  fetching: Fetching,
  expected: Expected | null,
  work: () => Promise<T>,
): Promise<T> {
  let had = -1;
  let failures = 0;
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const isTransient = error instanceof AppError && TRANSIENT.has(error.code);
      const has = expected === null ? 0 : await sizeOf(partialFile(fetching.folder, expected));
      failures = has > had ? 1 : failures + 1;
      had = has;
      if (!isTransient || failures >= MAX_FAILURES || tries >= MAX_TRIES) throw error;
      await delay(fetching.retryFirstMs * 2 ** (failures - 1), undefined, signalOf(fetching));
    }
  }
}

function signalOf({ signal }: Fetching): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0;
}

/** False when the archive has no such file. */
async function fetchOnce(fetching: Fetching, from: string, expected: Expected): Promise<boolean> {
  await mkdir(fetching.folder, { recursive: true });
  const file = partialFile(fetching.folder, expected);
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  try {
    const partial = await readPartial(handle, expected);
    const resumedAt = partial.size;
    if (partial.size < expected.size && !(await fetchRest(fetching, from, expected, handle, partial))) {
      return false;
    }
    if (partial.hash.digest('hex') === partsOfChecksum(expected.checksum).digest) {
      await handle.sync();
      return true;
    }
    await rm(file, { force: true });
    // What was there before may be at fault, and is fetched anew.
    if (resumedAt > 0) throw new AppError('mirror-truncated', `What was there of ${from} was not its start`);
    throw new AppError('mirror-sum-mismatch', `${from} has another sum than the archive's signed index says`);
  } catch (error) {
    if (hasErrno(error, 'ENOSPC', 'EDQUOT')) {
      throw new AppError('disk-full', `The disk is full at ${from}`, { cause: error });
    }
    throw error;
  } finally {
    await handle.close();
  }
}

interface Partial {
  size: number;
  hash: Hash;
}

/** What is there already, with its running sum; something too long is thrown away. */
async function readPartial(handle: FileHandle, expected: Expected): Promise<Partial> {
  const { algorithm } = partsOfChecksum(expected.checksum);
  const { size } = await handle.stat();
  const hash = createHash(algorithm);
  if (size > expected.size) {
    await handle.truncate(0);
    return { size: 0, hash };
  }
  const stream = handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1024 * 1024 });
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return { size, hash };
}

async function fetchRest(
  fetching: Fetching,
  from: string,
  expected: Expected,
  handle: FileHandle,
  partial: Partial,
): Promise<boolean> {
  const opened = await fetching.origin.open(from, partial.size, fetching.signal);
  if (!opened) return false;
  if (opened.offset !== partial.size) {
    await handle.truncate(0);
    partial.size = 0;
    partial.hash = createHash(partsOfChecksum(expected.checksum).algorithm);
  }
  for await (const chunk of watched(opened.body, fetching.stallMs)) {
    if (partial.size + chunk.length > expected.size) {
      await handle.truncate(0);
      throw new AppError('mirror-sum-mismatch', `${from} is longer than the archive's signed index says`);
    }
    await writeAll(handle, chunk, partial.size);
    partial.hash.update(chunk);
    partial.size += chunk.length;
    fetching.onBytes?.(chunk.length);
    await fetching.limiter.take(chunk.length, fetching.signal);
  }
  if (partial.size === expected.size) return true;
  // The body ended as its head said (a broken connection throws): the file there is another, shorter one.
  await handle.truncate(0);
  if (opened.offset > 0) throw new AppError('mirror-truncated', `${from} ends before what is there of it`);
  throw new AppError('mirror-sum-mismatch', `${from} is shorter than the archive's signed index says`);
}

async function writeAll(handle: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    const { bytesWritten } = await handle.write(chunk, at, chunk.length - at, position + at);
    at += bytesWritten;
  }
}

/** A body's chunks; one on which nothing comes for `stallMs` is ended. */
async function* watched(body: Readable, stallMs: number): AsyncGenerator<Buffer> {
  const whole = setTimeout(() => body.destroy(stalled('takes too long')), FILE_TIMEOUT_MS);
  try {
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    for (;;) {
      const timer = setTimeout(() => body.destroy(stalled('stands still')), stallMs);
      const next = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    if (
      error instanceof AppError ||
      !hasErrno(error, 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE')
    )
      throw error;
    throw new AppError('mirror-truncated', 'The connection broke', { cause: error });
  } finally {
    clearTimeout(whole);
    body.destroy();
  }
}

function stalled(how: string): AppError {
  return new AppError('mirror-stalled', `A download ${how}`);
}
