import { open } from 'node:fs/promises';

/** Twenty lines fit unless they are absurd, and then less is shown. */
const READ_BYTES = 16 * 1024;
const MAX_LINE_CHARS = 300;

/** The last `count` lines of a log, control characters taken out; empty when there is no log. */
export async function logTail(file: string, count: number): Promise<string[]> {
  const handle = await open(file, 'r').catch(() => null);
  if (!handle) return [];
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - READ_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, start);
    const lines = buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n');
    // Where reading began in the middle, the first line is half of one.
    const whole = start > 0 ? lines.slice(1) : lines;
    return whole.slice(-count).map((line) => line.replaceAll(/\p{Cc}+/gu, ' ').slice(0, MAX_LINE_CHARS));
  } finally {
    await handle.close();
  }
}
