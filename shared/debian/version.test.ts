import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareVersions, isValidVersion, parseVersion, withoutEpoch } from './version.ts';

/** Short parts of few letters, so that pairs often differ late or not at all. */
const part = fc.string({ unit: fc.constantFrom('0', '1', '9', '10', 'a', 'Z', '.', '+', '~'), maxLength: 6 });
const version = fc
  .tuple(
    fc.constantFrom('', '0:', '1:', '10:'),
    fc.constantFrom('0', '1', '01'),
    part,
    fc.option(part),
    fc.boolean(),
  )
  .map(([epoch, first, rest, revision, hyphenated]) => {
    const middle = hyphenated && revision !== null ? '-a' : '';
    return `${epoch}${first}${rest}${middle}${revision === null ? '' : `-${revision}0`}`;
  });

function append(end: string): (text: string) => string {
  return (text) => text + end;
}

/** What dpkg says of each pair, in one go: a process for each pair would take minutes. */
function askDpkg(pairs: [string, string][]): number[] {
  const script =
    'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; ' +
    'elif dpkg --compare-versions "$a" gt "$b"; then echo 1; else echo 0; fi; done';
  const input = pairs.map((pair) => `${pair.join(' ')}\n`).join('');
  const { stdout, status } = spawnSync('sh', ['-c', script], { input, encoding: 'utf8' });
  expect(status).toBe(0);
  return stdout.trim().split('\n').map(Number);
}

describe('compareVersions', () => {
  it('agrees with dpkg --compare-versions', () => {
    const changes = [
      (text: string) => `0:${text.replace(/^[0-9]+:/, '')}`,
      ...['~', '+', '.0', '0'].map(append),
    ];
    const near = fc
      .tuple(version, version, fc.constantFrom(null, ...changes))
      .map(([a, b, change]): [string, string] => [a, change === null ? b : change(a)]);
    const pairs = fc.sample(near, 400);
    const expected = askDpkg(pairs);
    const ours = pairs.map(([a, b]) => Math.sign(compareVersions(a, b)));
    const wrong = pairs.map((pair, index) => ({ pair, dpkg: expected[index], ours: ours[index] }));
    expect(wrong.filter((each) => each.dpkg !== each.ours)).toEqual([]);
    expect(new Set(expected)).toEqual(new Set([-1, 0, 1]));
  });

  it('is an order', () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0);
        const inOrder = compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0;
        expect(inOrder && compareVersions(a, c) > 0).toBe(false);
      }),
    );
  });

  it.each([
    ['1.0~bpo12+1', '1.0'],
    ['1.0-1', '1.0-1+b1'],
    ['1.0-1+deb12u1', '1.0-2'],
    ['9', '1:0'],
    ['1.0a', '1.0+'],
    ['99999999999999999998', '99999999999999999999'],
  ])('%s is earlier than %s', (a, b) => {
    expect(compareVersions(a, b)).toBeLessThan(0);
  });

  it('takes a missing revision for 0', () => {
    expect(compareVersions('1.0', '1.0-0')).toBe(0);
  });
});

describe('parseVersion', () => {
  it('parts epoch, upstream and revision at the first colon and the last hyphen', () => {
    expect(parseVersion('2:1.0-rc1-3')).toEqual({ epoch: 2, upstream: '1.0-rc1', revision: '3' });
    expect(parseVersion('1.0')).toEqual({ epoch: 0, upstream: '1.0', revision: null });
  });

  it.each([
    '',
    '-1',
    ':1',
    'a:1',
    '1-',
    '1_0',
    'v1',
    '1 0',
    '1\n',
    '2147483648:1',
    '1.0-1:2'.padEnd(300, '0'),
    '1:',
    '1/../2',
  ])('refuses %j', (text) => {
    expect(isValidVersion(text)).toBe(false);
    expect(() => parseVersion(text)).toThrow(expect.objectContaining({ code: 'version-invalid' }));
  });

  it('drops the epoch for file names', () => {
    expect(withoutEpoch('3:1.2-1')).toBe('1.2-1');
    expect(withoutEpoch('1.2-1')).toBe('1.2-1');
  });
});
