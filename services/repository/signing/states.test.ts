import { describe, expect, test } from 'vitest';
import {
  consequences,
  isExpired,
  nextStep,
  requireChange,
  requireExtension,
  signingKeys,
  type KeyFacts,
} from './states.ts';

const now = new Date('2026-06-01T00:00:00Z');
const rotation = { announceDays: 7, dualSignDays: 30 };
const OLD = 'A'.repeat(40);
const NEW = 'B'.repeat(40);

function key(fingerprint: string, facts: Partial<KeyFacts>): KeyFacts {
  return {
    ...{ fingerprint, state: 'active', announcedAt: null, activatedAt: null, expiresAt: null },
    ...facts,
  };
}

const old = key(OLD, { announcedAt: '2021-01-01T00:00:00Z', activatedAt: '2021-01-01T00:00:00Z' });
const dual = (since: string): KeyFacts =>
  key(NEW, { announcedAt: '2026-04-01T00:00:00Z', activatedAt: `${since}T00:00:00Z` });

function change(
  keys: KeyFacts[],
  which: KeyFacts,
  to: 'announced' | 'active' | 'retired',
  force = false,
): void {
  requireChange(keys, which, to, { rotation, now, force });
}
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

describe('a change of a key', () => {
  test('goes in order: a new key is announced, never activated at once', () => {
    const fresh = key(NEW, { state: 'new' });
    expect(() => change([old, fresh], fresh, 'active', true)).toThrow(code('key-state'));
    expect(() => change([old, fresh], fresh, 'announced')).not.toThrow();
  });

  test('to active waits until clients have had the announcement for its days', () => {
    const early = key(NEW, { state: 'announced', announcedAt: '2026-05-30T00:00:00Z' });
    expect(() => change([old, early], early, 'active')).toThrow('announced until 2026-06-06');
    expect(() => change([old, early], early, 'active', true)).not.toThrow();
    const due = key(NEW, { state: 'announced', announcedAt: '2026-05-25T00:00:00Z' });
    expect(() => change([old, due], due, 'active')).not.toThrow();
  });

  test('to retired is refused for the only key that signs, by force too', () => {
    expect(() => change([old], old, 'retired', true)).toThrow(code('key-last'));
    const ended = { ...dual('2026-04-10'), expiresAt: '2026-05-01T00:00:00Z' };
    expect(() => change([old, ended], old, 'retired', true)).toThrow(code('key-last'));
    expect(() => change([old, ended], ended, 'retired', true)).not.toThrow();
  });

  test('to retired waits until both keys have signed for their days', () => {
    const keys = [old, dual('2026-05-20')];
    expect(() => change(keys, old, 'retired')).toThrow('Both keys sign until 2026-06-19');
    expect(() => change(keys, old, 'retired', true)).not.toThrow();
    expect(() => change([old, dual('2026-05-01')], old, 'retired')).not.toThrow();
  });

  test('to a later end is no harm; to an earlier one, or to one where there is none, only by force', () => {
    const end = new Date('2026-12-31T00:00:00Z');
    const sooner = key(OLD, { expiresAt: '2026-06-10T00:00:00Z' });
    const later = key(OLD, { expiresAt: '2031-01-01T00:00:00Z' });
    expect(() => requireExtension(sooner, end, false)).not.toThrow();
    expect(() => requireExtension(later, end, false)).toThrow(
      'ends on 2031-01-01, which is later than 2026-12-31',
    );
    expect(() => requireExtension(old, end, false)).toThrow(code('key-shorter'));
    for (const each of [later, old]) expect(() => requireExtension(each, end, true)).not.toThrow();
    expect(() => requireExtension(key(OLD, { state: 'retired' }), end, true)).toThrow(code('key-state'));
  });

  test('says which clients will break', () => {
    const told = consequences([old, dual('2026-05-01')], old, 'retired', 'x-archive-keyring').join('\n');
    expect(told).toContain('older than 2026-04-01');
    expect(told).toContain('x-archive-keyring');
    expect(told).toContain('NO_PUBKEY');
    expect(consequences([old], old, 'active', 'x')).toEqual([]);
  });
});

describe('the keys that sign', () => {
  test('are the active ones, those that ended left out while another is good', () => {
    const ended = { ...old, expiresAt: '2026-05-31T00:00:00Z' };
    expect(signingKeys([dual('2026-05-01'), old], now).map((each) => each.fingerprint)).toEqual([OLD, NEW]);
    expect(signingKeys([dual('2026-05-01'), ended], now).map((each) => each.fingerprint)).toEqual([NEW]);
    expect(signingKeys([ended], now).map((each) => each.fingerprint)).toEqual([OLD]);
  });

  test('a key that ends within the next minute has ended', () => {
    expect(isExpired({ expiresAt: '2026-06-01T00:00:59Z' }, now)).toBe(true);
    expect(isExpired({ expiresAt: '2026-06-01T00:01:01Z' }, now)).toBe(false);
    expect(isExpired({ expiresAt: null }, now)).toBe(false);
  });
});

test.each([
  ['new', [old, key(NEW, { state: 'new' })], 'Next: autobuilder key announce BBBBBBBBBBBBBBBB'],
  [
    'announced',
    [old, key(NEW, { state: 'announced', announcedAt: '2026-05-30T00:00:00Z' })],
    'Next, from 2026-06-06: autobuilder key activate BBBBBBBBBBBBBBBB',
  ],
  ['both', [old, dual('2026-05-20')], 'Next, from 2026-06-19: autobuilder key retire AAAAAAAAAAAAAAAA'],
  ['endless', [old], 'Nothing to do'],
  ['ending', [{ ...old, expiresAt: '2026-09-01T00:00:00Z' }], 'The key ends on 2026-09-01'],
])('the next step is told: %s', (_name, keys, words) => {
  expect(nextStep(keys, rotation, now)).toContain(words);
});
