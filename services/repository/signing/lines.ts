/** JSON lines over a socket, bounded: one that sends more without a line end is cut off. */
import type { Duplex } from 'node:stream';
import { MAX_LINE_BYTES } from './protocol.ts';

/** Calls `onLine` for each line; ends the stream when one is too long or is not JSON. */
export function readLines(stream: Duplex, onLine: (value: unknown) => void): void {
  let parts: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    let rest = chunk;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString('utf8');
      rest = rest.subarray(end + 1);
      [parts, size] = [[], 0];
      const value = parse(line);
      if (value === undefined) {
        stream.destroy();
        return;
      }
      onLine(value);
    }
    size += rest.length;
    if (size > MAX_LINE_BYTES) stream.destroy();
    else if (rest.length > 0) parts.push(rest);
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

export function writeLine(stream: Duplex, value: unknown): void {
  if (!stream.destroyed && stream.writable) stream.write(`${JSON.stringify(value)}\n`);
}
