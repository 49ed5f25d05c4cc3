import { expect, test } from 'vitest';
import { keyWarning } from './key-expiry.ts';

const now = new Date('2026-06-01T00:00:00Z');
const FINGERPRINT = '0123456789ABCDEF0123456789ABCDEF01234567';

test.each([
  ['2026-07-02T00:00:00Z', null],
  ['2026-07-01T00:00:00Z', 30],
  ['2026-06-09T00:00:00Z', 30],
  ['2026-06-08T00:00:00Z', 7],
  ['2026-06-02T00:00:00Z', 1],
  ['2026-06-01T00:00:01Z', 1],
  ['2026-06-01T00:00:00Z', 0],
  ['2025-01-01T00:00:00Z', 0],
])('a key that ends at %s is warned of as %s days', (end, days) => {
  const warning = keyWarning({ fingerprint: FINGERPRINT, expiresAt: new Date(end), problem: null }, now);
  expect(warning?.days ?? null).toBe(days);
  expect(warning?.text ?? '89ABCDEF01234567').toContain('89ABCDEF01234567');
});

test('a key without end that cannot sign is warned of with the reason', () => {
  const key = { fingerprint: FINGERPRINT, expiresAt: null };
  expect(keyWarning({ ...key, problem: null }, now)).toBeNull();
  expect(keyWarning({ ...key, problem: 'the card is out' }, now)).toMatchObject({
    days: null,
    text: expect.stringContaining('the card is out') as string,
  });
});
