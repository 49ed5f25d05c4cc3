import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { FINDINGS } from './findings.ts';
import { REPAIRS } from './repair.ts';

test('every repair that is promised is there, and no other', () => {
  const promised = Object.entries(FINDINGS).filter(([, { repair }]) => repair !== null);
  // What belongs to no queue is repaired without its lock.
  const codes = promised.map(([code]) => code).filter((code) => code !== 'work-left');
  expect(Object.keys(REPAIRS).toSorted()).toEqual(codes.toSorted());
});

test('docs/pool.md says of each what it means and what a repair does', () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/pool.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z-]+)` +\| (.*?) +\| (.*?) +\|$/gm)].map(([, ...cells]) => cells);
  expect(rows).toEqual(
    Object.entries(FINDINGS).map(([code, { means, repair, person }]) => [
      ...[code, means, repair ?? `by hand: ${person}`],
    ]),
  );
});
