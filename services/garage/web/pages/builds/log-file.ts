/** Reads build logs as text, in pieces that never cut a character. */
import { open, type FileHandle } from 'node:fs/promises';
import { hasErrno } from '../../../../../shared/errors/app-error.ts';
import { plain } from '../../../reading/plain.ts';

export { plain } from '../../../reading/plain.ts';

/** What a page shows of a log: about a thousand lines. */
const TAIL_BYTES = 128 * 1024;
/** The most read at once. */
export const PIECE_BYTES = 64 * 1024;

export interface Tail {
  text: string;
  /** Byte offset of the first byte shown. */
  start: number;
  /** Byte offset after the last byte shown: where to go on. */
  end: number;
}

/** The end of the log, from the start of a line, to the last line end or, when `whole`, to the last byte. Empty where there is no file. */
export async function readTail(file: string, whole: boolean): Promise<Tail> {
  const handle = await openLog(file);
  if (!handle) return { text: '', start: 0, end: 0 };
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const bytes = await readAt(handle, from, size - from);
    const skipped = from === 0 ? 0 : bytes.indexOf(0x0a) + 1;
    const taken = takeText(bytes.subarray(skipped), whole);
    const start = from + skipped;
    return { text: plain(taken.toString('utf8')), start, end: start + taken.length };
  } finally {
    await handle.close();
  }
}

/** Null while there is no such file. */
export async function openLog(file: string): Promise<FileHandle | null> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** At most `length` bytes from `position`; fewer at the end of the file. */
export async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/**
 * The part of `bytes` that can be shown now: whole lines; where there is no line end yet, nothing unless
 * `all` is true or the piece is full, and then whole characters. Everything when `all` is true.
 */
export function takeText(bytes: Buffer, all: boolean): Buffer {
  if (all) return bytes;
  const lines = bytes.lastIndexOf(0x0a) + 1;
  if (lines > 0 || bytes.length < PIECE_BYTES) return bytes.subarray(0, lines);
  return bytes.subarray(0, wholeCharacters(bytes));
}

/** Length without a UTF-8 character that is cut at the end. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
