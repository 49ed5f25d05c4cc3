import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { PIECE_BYTES, plain, readTail, takeText } from './log-file.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'log-file-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a piece ends at a line end; without one it waits, until it is full or the log is over', () => {
  expect(takeText(Buffer.from('one\ntwo\nhal'), false).toString()).toBe('one\ntwo\n');
  expect(takeText(Buffer.from('hal'), false).toString()).toBe('');
  expect(takeText(Buffer.from('hal'), true).toString()).toBe('hal');
});

test('a full piece without a line end never cuts a character', () => {
  fc.assert(
    fc.property(fc.constantFrom('a', 'é', '€', '😀'), fc.integer({ min: 0, max: 3 }), (character, shift) => {
      const text = 'x'.repeat(shift) + character.repeat(PIECE_BYTES);
      const piece = takeText(Buffer.from(text).subarray(0, PIECE_BYTES), false);
      expect(piece.length).toBeGreaterThan(PIECE_BYTES - 4);
      expect(text.startsWith(piece.toString('utf8'))).toBe(true);
    }),
  );
});

test('bytes that are no text are still passed on', () => {
  expect(takeText(Buffer.alloc(PIECE_BYTES, 0xbf), false)).toHaveLength(PIECE_BYTES);
});

test.each([
  ['\u001b[1;31mred\u001b[0m', 'red'],
  ['\u001b]0;title\u0007text', 'text'],
  ['a\u0000b\u0007c\td', 'abc\td'],
  ['10%\r20%\r\ndone', '10%\n20%\ndone'],
  ['<b>&amp;</b>', '<b>&amp;</b>'],
])('%j is shown as %j', (text, shown) => expect(plain(text)).toBe(shown));

test('the tail of a long log begins at a line and says where it lies', async () => {
  const file = path.join(folder, 'build.log');
  const text = Array.from({ length: 50_000 }, (_, n) => `line ${String(n)}\n`).join('');
  await writeFile(file, `${text}unfinished`);
  const tail = await readTail(file, false);
  expect(tail.text).toMatch(/^line \d+\n/);
  expect(tail.text.endsWith('line 49999\n')).toBe(true);
  expect(tail.end).toBe(text.length);
  expect(text.slice(tail.start, tail.end)).toBe(tail.text);
  expect((await readTail(file, true)).text.endsWith('\nunfinished')).toBe(true);
});

test('a log that is not there is empty', async () => {
  expect(await readTail(path.join(folder, 'none'), true)).toEqual({ text: '', start: 0, end: 0 });
});
