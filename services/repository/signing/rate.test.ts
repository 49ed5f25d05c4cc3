import { expect, test } from 'vitest';
import { RateLimit } from './rate.ts';

test('lets so many through within the time, and again when it has passed', () => {
  const limit = new RateLimit(2, 1000);
  expect([limit.take(0), limit.take(10), limit.take(20)]).toEqual([true, true, false]);
  expect(limit.take(1001)).toBe(true);
  expect(limit.take(1002)).toBe(false);
});

test('a clock that is set back locks nobody out', () => {
  const limit = new RateLimit(1, 1000);
  expect([limit.take(1_000_000), limit.take(5)]).toEqual([true, true]);
});
