import { expect, test } from 'vitest';
import { badge, duration, size, time } from './format.ts';

test('times are UTC with a machine-readable value', () => {
  expect(time(new Date('2026-01-02T03:04:05.678Z')).toString()).toBe(
    '<time datetime="2026-01-02T03:04:05.678Z" title="2026-01-02T03:04:05.678Z">2026-01-02 03:04 UTC</time>',
  );
  expect(time(null).toString()).toContain('–');
  expect(time('not a time').toString()).toContain('–');
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1400, '1.4 kB'],
  [123_456_789, '123 MB'],
  [5_000_000_000_000, '5000 GB'],
])('size %d is %s', (bytes, shown) => expect(size(bytes)).toBe(shown));

test.each([
  [0.25, '0.3 s'],
  [42.4, '42 s'],
  [185, '3 min 05 s'],
  [7800, '2 h 10 min'],
])('duration %d is %s', (seconds, shown) => expect(duration(seconds)).toBe(shown));

test('an unknown status word is shown plainly and escaped', () => {
  expect(badge('<x>').toString()).toBe('<span class="badge idle">&#60;x&#62;</span>');
});
