/** Reads a finished attempt's build.log once, from start to end, in bounded time and memory. */
import { open, type FileHandle } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { plainLine } from './plain.ts';
import { LogScanner } from './scanner.ts';
import type { LogFacts } from './types.ts';

const CHUNK_BYTES = 256 * 1024;
/** A log that is longer (a kernel's has 30 MiB) is read at both ends: why it failed stands at the end. */
const HEAD_BYTES = 16 * 1024 * 1024;
const TAIL_BYTES = 48 * 1024 * 1024;
/** What is longer is data, or text without line ends; its start says what it is. */
const MAX_LINE_CHARS = 4_096;

/** Null when there is no log. `failed`: whether the attempt did. */
export async function readLog(file: string, failed: boolean): Promise<LogFacts | null> {
  const handle = await openLog(file);
  if (!handle) return null;
  try {
    const { size } = await handle.stat();
    const scanner = new LogScanner();
    const skippedBytes = Math.max(0, size - HEAD_BYTES - TAIL_BYTES);
    await scan(handle, scanner, 0, skippedBytes > 0 ? HEAD_BYTES : size);
    if (skippedBytes > 0) {
      scanner.skip();
      await scan(handle, scanner, HEAD_BYTES + skippedBytes, size);
    }
    return { ...scanner.finish(failed), bytes: size, skippedBytes };
  } finally {
    await handle.close();
  }
}

async function openLog(file: string): Promise<FileHandle | null> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function scan(handle: FileHandle, scanner: LogScanner, from: number, to: number): Promise<void> {
  const decoder = new StringDecoder('utf8');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest = '';
  for (let at = from; at < to;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(CHUNK_BYTES, to - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS);
    for (const line of lines) scanner.take(plainLine(line.slice(0, MAX_LINE_CHARS)));
  }
  if (rest !== '') scanner.take(plainLine(rest));
}
