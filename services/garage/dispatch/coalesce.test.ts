import { expect, test } from 'vitest';
import { coalesced } from './coalesce.ts';

test('one at a time, and one more for all who ask meanwhile', async () => {
  const ends: (() => void)[] = [];
  const runs: string[] = [];
  const ask = coalesced(async () => {
    const number = String(runs.filter((run) => run.startsWith('begin')).length + 1);
    runs.push(`begin ${number}`);
    await new Promise<void>((resolve) => ends.push(resolve));
    runs.push(`end ${number}`);
  });
  const first = ask();
  const [second, third] = [ask(), ask()];
  ends[0]?.();
  await first;
  while (ends.length < 2) await Promise.resolve();
  ends[1]?.();
  await Promise.all([second, third]);
  expect(runs).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('a run that fails is told to its own askers only', async () => {
  let count = 0;
  const ask = coalesced(async () => {
    count += 1;
    await Promise.resolve();
    if (count === 1) throw new Error('first');
  });
  const [first, second] = [ask(), ask()];
  await expect(first).rejects.toThrow('first');
  await expect(second).resolves.toBeUndefined();
  expect(count).toBe(2);
});
