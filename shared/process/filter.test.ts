import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { filterThrough } from './filter.ts';

const LIMIT = { timeoutMs: 60_000 };

async function collect(output: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of output) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe('a stream through a program', () => {
  it('comes out as the program makes it', async () => {
    const input = Readable.from([Buffer.from('b\n'), Buffer.from('a\n')]);
    expect(await collect(filterThrough(['sort'], input, LIMIT))).toBe('a\nb\n');
  });

  it('ends with the program’s own words when it fails', async () => {
    const failed = collect(
      filterThrough(['xz', '--decompress'], Readable.from([Buffer.from('no xz')]), LIMIT),
    );
    await expect(failed).rejects.toMatchObject({
      code: 'process-failed',
      message: expect.stringMatching(/^xz failed \(exit 1\): xz: .*format/) as string,
    });
  });

  it('tells a program that does not start from one that fails', async () => {
    const failed = collect(filterThrough(['/nonexistent/tool'], Readable.from([]), LIMIT));
    await expect(failed).rejects.toMatchObject({ code: 'process-not-started' });
  });

  it('throws what the input fails with', async () => {
    const failed = collect(filterThrough(['cat'], createReadStream('/nonexistent/file'), LIMIT));
    await expect(failed).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('ends the program when the reader has enough, or its time is over', async () => {
    for await (const part of filterThrough(['yes'], Readable.from([]), LIMIT)) {
      expect(part.toString()).toMatch(/^y\n/);
      break; // would never come back if the program went on
    }
    const late = collect(filterThrough(['sleep', '600'], Readable.from([]), { timeoutMs: 100 }));
    await expect(late).rejects.toMatchObject({ message: 'sleep failed (SIGTERM): ' });
  });
});
