import { expect, test } from 'vitest';
import { createProgress, progressLine } from './progress.ts';

test.each([
  [{ done: 0, total: null, rate: 0 }, 'reading'],
  [{ done: 7, total: null, rate: 3 }, 'reading 7, 3/s'],
  [{ done: 12_000, total: 60_000, rate: 1_500 }, 'reading 12000 of 60000 (20%), 1500/s, 32 s left'],
  [{ done: 1, total: 60_000, rate: 10 }, 'reading 1 of 60000 (0%), 10/s, 1.7 h left'],
  [{ done: 10, total: 6_010, rate: 10 }, 'reading 10 of 6010 (0%), 10/s, 10 min left'],
  [{ done: 5, total: 5, rate: 5 }, 'reading 5 of 5 (100%), 5/s'],
])('%j', (state, line) => {
  expect(progressLine('reading', state)).toBe(line);
});

/** What four steps of a second each and another phase print. */
function shown(isTerminal: boolean): string {
  let text = '';
  let clockMs = 0;
  const output = { out: () => undefined, err: (piece: string) => void (text += piece) };
  const progress = createProgress(output, isTerminal, () => clockMs);
  for (let done = 0; done <= 4; done += 1) {
    progress.show('reading', done, 4);
    clockMs += 1_000;
  }
  progress.show('publishing', 0, null);
  progress.end();
  return text;
}

test('a log has a line now and then, and the last', () => {
  expect(shown(false)).toBe('reading 0 of 4 (0%)\nreading 4 of 4 (100%), 1/s\npublishing\n');
});

test('a terminal has one line for each phase', () => {
  const lines = shown(true).split('\n');
  expect(lines.map((line) => line.slice(line.lastIndexOf('\u001b[K') + 3))).toEqual([
    ...['reading 4 of 4 (100%), 1/s', 'publishing', ''],
  ]);
});
