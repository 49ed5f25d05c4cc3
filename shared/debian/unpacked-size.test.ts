import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { runChecked } from '../process/run.ts';
import { declaredUnpackedBytes } from './unpacked-size.ts';

const MEBIBYTE = 1024 * 1024;

function declared(name: string, file: Buffer): Promise<number | null> {
  return declaredUnpackedBytes(name, file.length, (offset, length) =>
    Promise.resolve(file.subarray(offset, offset + length)),
  );
}

async function packed(program: [string, ...string[]], content: Buffer): Promise<Buffer> {
  const { stdout } = await runChecked(program, { input: content });
  return stdout;
}

const zeros = (bytes: number): Buffer => Buffer.alloc(bytes);

describe('the size that a file says it unpacks to', () => {
  test.each([0, 1, 1000, 3 * MEBIBYTE])('of %i bytes by xz, gzip and lzma', async (bytes) => {
    const content = zeros(bytes);
    expect(await declared('x.tar.xz', await packed(['xz', '-c'], content))).toBe(bytes);
    expect(await declared('x.tar.gz', gzipSync(content))).toBe(bytes);
  });

  test('of many blocks, and of several streams with padding between them', async () => {
    const blocks = await packed(['xz', '-c', '--block-size=100KiB'], zeros(3 * MEBIBYTE));
    expect(await declared('x.tar.xz', blocks)).toBe(3 * MEBIBYTE);
    const streams = Buffer.concat([blocks, zeros(8), await packed(['xz', '-c'], zeros(5)), zeros(4)]);
    expect(await declared('x.tar.xz', streams)).toBe(3 * MEBIBYTE + 5);
  });

  test('is not known of bzip2, of a .lzma from a pipe, and of what is no such file', async () => {
    expect(await declared('x.tar.bz2', await packed(['bzip2', '-c'], zeros(9)))).toBeNull();
    expect(await declared('x.tar.lzma', await packed(['xz', '--format=lzma', '-c'], zeros(9)))).toBeNull();
    for (const name of ['x.tar.xz', 'x.tar.lzma', 'x.tar.gz']) {
      expect(await declared(name, Buffer.from('short'))).toBeNull();
    }
    expect(await declared('x.tar.xz', randomBytes(1000))).toBeNull();
    const cut = (await packed(['xz', '-c'], zeros(5000))).subarray(0, -1);
    expect(await declared('x.tar.xz', cut)).toBeNull();
  });

  test('never fails on noise that ends like a footer', async () => {
    for (let round = 0; round < 200; round += 1) {
      const noise = randomBytes(64 + round);
      noise.write('YZ', noise.length - 2, 'latin1');
      noise.writeUInt32LE(round % 16, noise.length - 8);
      await expect(declared('x.tar.xz', noise)).resolves.not.toBe(Number.NaN);
    }
  });
});
