/**
 * Files on a host, over SFTP. Nothing there is trusted: a name may be a symlink or a folder by now, a file
 * may be longer than was said, and what was said may be wrong.
 */
import { createHash, randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import ssh2, { type SFTPWrapper, type Stats } from 'ssh2';
import { AppError, messageOf } from '../errors/app-error.ts';
import { fsyncDirectory } from '../files/durable.ts';

/** OpenSSH answers up to 256 KiB, every server at least 32 KiB. */
const CHUNK_BYTES = 32 * 1024;
/** Requests under way at a time, so that a far host is not one round trip for each chunk. */
const WINDOW = 32;
/** One answer; past it the host hangs. */
const ANSWER_TIMEOUT_MS = 60_000;

/** An SFTP session and how to know that its connection is gone: ssh2 then answers nothing at all. */
export interface RemoteSession {
  sftp: SFTPWrapper;
  closed: AbortSignal;
}

/** lstat, or null where nothing is. Throws `remote-file-failed`. */
export async function remoteStat(remote: RemoteSession, file: string): Promise<Stats | null> {
  try {
    return await answer<Stats>(remote, (sftp, done) => sftp.lstat(file, done), file);
  } catch (error) {
    const code = error instanceof AppError ? (error.cause as { code?: number } | undefined)?.code : undefined;
    if (code === ssh2.utils.sftp.STATUS_CODE.NO_SUCH_FILE) return null;
    throw error;
  }
}

/**
 * Copies bytes or a local file to `target`, which appears whole. Skipped when a regular file of that size
 * is there already: names here tell the content (a hash, or a file of one attempt).
 */
export async function pushFile(
  remote: RemoteSession,
  source: Uint8Array | { file: string; size: number },
  target: string,
): Promise<void> {
  const size = source instanceof Uint8Array ? source.length : source.size;
  const there = await remoteStat(remote, target);
  if (there?.isFile() && there.size === size) return;
  const beside = `${target}.${randomBytes(4).toString('hex')}.partial`;
  try {
    const handle = await answer<Buffer>(remote, (sftp, done) => sftp.open(beside, 'wx', 0o644, done), beside);
    if (source instanceof Uint8Array) await writeAll(remote, handle, slices(source), target);
    else await pushLocal(remote, handle, source.file, target);
    await answer<void>(remote, (sftp, done) => sftp.close(handle, done), beside);
    await answer<void>(remote, (sftp, done) => sftp.ext_openssh_rename(beside, target, done), target);
  } catch (error) {
    bestEffort(() => remote.sftp.unlink(beside, () => undefined));
    throw error;
  }
}

/** A small file's content; null where nothing is. Throws `remote-file-untrusted` for a link, a folder, or more than `maxBytes`. */
export async function readSmallFile(
  remote: RemoteSession,
  file: string,
  maxBytes: number,
): Promise<Buffer | null> {
  const named = await remoteStat(remote, file);
  if (named === null) return null;
  requireRegular(named, file);
  const chunks: Buffer[] = [];
  await withHandle(remote, file, async (handle) => {
    // Whole files take each other's place there at any moment: the size is asked of the one that is open.
    const stat = await answer<Stats>(remote, (sftp, done) => sftp.fstat(handle, done), file);
    requireRegular(stat, file);
    if (stat.size > maxBytes)
      throw untrusted(`'${file}' has ${String(stat.size)} bytes, ${String(maxBytes)} may be`);
    await readOpen(remote, handle, { file, size: stat.size }, (chunk) => void chunks.push(chunk));
  });
  return Buffer.concat(chunks);
}

/**
 * Fetches a file of which size and sum are known into `target`, which appears whole and durable. Throws
 * `remote-file-untrusted` when it is anything else than that; never reads more than `size` bytes.
 */
export async function fetchFile(
  remote: RemoteSession,
  file: string,
  expected: { size: number; sha256: string },
  target: string,
): Promise<void> {
  const stat = await remoteStat(remote, file);
  if (stat === null) throw untrusted(`'${file}' is not there`);
  requireRegular(stat, file);
  if (stat.size !== expected.size) {
    throw untrusted(`'${file}' has ${String(stat.size)} bytes, ${String(expected.size)} were promised`);
  }
  const partial = `${target}.partial`;
  const local = await open(partial, 'w', 0o644);
  try {
    const hash = createHash('sha256');
    await readAll(remote, file, expected.size, async (chunk) => {
      hash.update(chunk);
      await local.writeFile(chunk);
    });
    if (hash.digest('hex') !== expected.sha256)
      throw untrusted(`'${file}' does not have the promised sha256`);
    await local.sync();
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    await local.close();
  }
  await rename(partial, target);
  await fsyncDirectory(path.dirname(target));
}

function requireRegular(stat: Stats, file: string): void {
  if (!stat.isFile()) throw untrusted(`'${file}' is not a regular file`);
}

function untrusted(message: string): AppError {
  return new AppError('remote-file-untrusted', message);
}

function readAll(
  remote: RemoteSession,
  file: string,
  size: number,
  onChunk: (chunk: Buffer) => Promise<void> | void,
): Promise<void> {
  return withHandle(remote, file, (handle) => readOpen(remote, handle, { file, size }, onChunk));
}

async function withHandle(
  remote: RemoteSession,
  file: string,
  work: (handle: Buffer) => Promise<void>,
): Promise<void> {
  const handle = await answer<Buffer>(remote, (sftp, done) => sftp.open(file, 'r', done), file);
  try {
    await work(handle);
  } finally {
    bestEffort(() => remote.sftp.close(handle, () => undefined));
  }
}

async function readOpen(
  remote: RemoteSession,
  handle: Buffer,
  { file, size }: { file: string; size: number },
  onChunk: (chunk: Buffer) => Promise<void> | void,
): Promise<void> {
  const ahead: Promise<Buffer>[] = [];
  for (let next = 0; next < size || ahead.length > 0;) {
    while (next < size && ahead.length < WINDOW) {
      ahead.push(watched(readChunk(remote, handle, next, Math.min(CHUNK_BYTES, size - next), file)));
      next += CHUNK_BYTES;
    }
    await onChunk((await ahead.shift()) ?? Buffer.alloc(0));
  }
}

/** Exactly `length` bytes; a file that ends before that was cut meanwhile. */
async function readChunk(
  remote: RemoteSession,
  handle: Buffer,
  position: number,
  length: number,
  file: string,
): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const read = await answer<number>(
      remote,
      (sftp, done) => sftp.read(handle, buffer, filled, length - filled, position + filled, done),
      file,
    );
    if (read === 0) throw untrusted(`'${file}' is shorter than it said`);
    filled += read;
  }
  return buffer;
}

async function pushLocal(remote: RemoteSession, handle: Buffer, file: string, target: string): Promise<void> {
  const local = await open(file, 'r');
  try {
    await writeAll(remote, handle, chunksOf(local), target);
  } finally {
    await local.close();
  }
}

async function* chunksOf(local: FileHandle): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await local.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

function* slices(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    yield Buffer.from(bytes.subarray(at, at + CHUNK_BYTES));
}

async function writeAll(
  remote: RemoteSession,
  handle: Buffer,
  chunks: Iterable<Buffer> | AsyncIterable<Buffer>,
  file: string,
): Promise<void> {
  const ahead: Promise<void>[] = [];
  let position = 0;
  for await (const chunk of chunks) {
    const at = position;
    position += chunk.length;
    ahead.push(
      watched(
        answer<void>(remote, (sftp, done) => sftp.write(handle, chunk, 0, chunk.length, at, done), file),
      ),
    );
    if (ahead.length >= WINDOW) await ahead.shift();
  }
  await Promise.all(ahead);
}

/** ssh2 throws when the channel is gone already, and then there is nothing left to tidy. */
function bestEffort(request: () => void): void {
  try {
    request();
  } catch {
    // see above
  }
}

/** Its failure is seen when its turn comes; until then it is not an unhandled one. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** One SFTP request as a promise, with a limit. Throws `remote-file-failed`. */
function answer<T>(
  remote: RemoteSession,
  request: (sftp: SFTPWrapper, done: (error: Error | null | undefined, value?: T) => void) => void,
  file: string,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer);
      remote.closed.removeEventListener('abort', onClose);
    };
    const fail = (error: unknown): void => {
      settle();
      reject(
        new AppError('remote-file-failed', `'${file}' on the host: ${messageOf(error)}`, { cause: error }),
      );
    };
    const onClose = (): void => fail(new Error('the connection closed'));
    const timer = setTimeout(() => fail(new Error('no answer')), ANSWER_TIMEOUT_MS);
    if (remote.closed.aborted) return onClose();
    remote.closed.addEventListener('abort', onClose, { once: true });
    try {
      request(remote.sftp, (error, value) => {
        if (error) return fail(error);
        settle();
        resolve(value as T);
      });
    } catch (error) {
      fail(error); // ssh2 throws when the channel is gone already
    }
  });
}
