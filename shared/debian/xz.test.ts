import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LzmaError, unpackXz } from './xz.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const pack = (content: Uint8Array, ...options: string[]): Buffer =>
  execFileSync('xz', ['--compress', '--stdout', ...options], { input: content });

/** True when `xz` itself takes the file. */
function isWhole(file: Uint8Array): boolean {
  try {
    execFileSync('xz', ['--decompress', '--stdout'], { input: file, stdio: ['pipe', 'ignore', 'ignore'] });
    return true;
  } catch {
    return false;
  }
}

const text = Buffer.from(
  Array.from({ length: 4000 }, (_, at) => `line ${String(at * 7919)} of many\n`).join(''),
);
const noise = Buffer.from(Array.from({ length: 90_000 }, (_, at) => Math.imul(at * at, 0x9e3779b1) >>> 24));

describe('unpacks what xz packs', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['zeros', Buffer.alloc(300_000)],
    ['text', text],
    ['noise', noise],
    ['a mixture', Buffer.concat([noise, text, noise, Buffer.alloc(70_000), text])],
  ])('%s, with any preset, check and layout', (_what, content) => {
    const options = [
      ['-0', '--check=none'],
      ['-6', '--check=crc32'],
      ['-9e', '--check=sha256'],
      ['--threads=2', '--block-size=20000'],
      ['--lzma2=lc=0,lp=2,pb=4'],
      ['--lzma2=lc=4,dict=4KiB'],
    ];
    for (const each of options)
      expect(unpackXz(pack(content, ...each), MAX_BYTES).equals(content)).toBe(true);
  });

  test('several streams with padding between them', () => {
    const file = Buffer.concat([pack(text), Buffer.alloc(8), pack(noise)]);
    expect(unpackXz(file, MAX_BYTES).equals(Buffer.concat([text, noise]))).toBe(true);
  });

  test('any content', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.nat({ max: 40 }), (bytes, times) => {
        const content = Buffer.concat(Array.from({ length: times + 1 }, () => bytes));
        expect(unpackXz(pack(content), MAX_BYTES).equals(content)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

describe('refuses', () => {
  test('what unpacks to more than allowed', () => {
    expect(() => unpackXz(pack(Buffer.alloc(100_000)), 99_999)).toThrow(LzmaError);
    expect(() => unpackXz(pack(Buffer.alloc(100_000), '--threads=2'), 99_999)).toThrow(LzmaError);
  });

  test('a filter that is not for control members', () => {
    expect(() => unpackXz(pack(text, '--x86', '--lzma2'), MAX_BYTES)).toThrow(LzmaError);
  });

  test('any damage, unless xz takes it too', () => {
    const whole = pack(Buffer.concat([text.subarray(0, 3_000), noise.subarray(0, 500)]));
    const change = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.nat({ max: whole.length * 3 }),
        (changes, length) => {
          const copy = Buffer.from(whole.subarray(0, length));
          for (const [at, flip] of changes) if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ flip;
          let outcome = 'taken';
          try {
            unpackXz(copy, MAX_BYTES);
          } catch (error) {
            outcome = error instanceof LzmaError ? 'refused' : String(error);
          }
          expect(outcome).toBe(outcome === 'taken' && isWhole(copy) ? 'taken' : 'refused');
        },
      ),
      { numRuns: 500 },
    );
  });
});
