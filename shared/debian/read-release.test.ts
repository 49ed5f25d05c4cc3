import { describe, expect, it } from 'vitest';
import { archivePath } from './archive-path.ts';
import { readRelease } from './read-release.ts';

const SUM = 'a'.repeat(64);
const release = (lines: string[], date = 'Fri, 20 Nov 2026 07:44:37 UTC'): string =>
  ['Origin: Test', `Date: ${date}`, 'Architectures: amd64 i386', 'Components: main', ...lines, ''].join('\n');

describe('a Release file', () => {
  it('is read with its dates and files', () => {
    const read = readRelease(
      release(['Acquire-By-Hash: yes', 'SHA256:', ` ${SUM} 12 main/binary-amd64/Packages.xz`]),
    );
    expect(read.date.toISOString()).toBe('2026-11-20T07:44:37.000Z');
    expect(read).toMatchObject({ acquireByHash: true, validUntil: null, components: ['main'] });
    expect(read.entries.get('main/binary-amd64/Packages.xz')).toEqual({
      ...{ path: 'main/binary-amd64/Packages.xz', size: 12, sha256: SUM },
    });
  });

  it.each([
    ['../../etc/passwd'],
    ['/etc/passwd'],
    ['main/../../x'],
    ['main/.hidden'],
    ['main//x'],
    ['main/x/'],
    ['main/\\x'],
  ])('with the path %s is refused', (path) => {
    expect(() => readRelease(release(['SHA256:', ` ${SUM} 12 ${path}`]))).toThrow(/malformed line/);
  });

  it('that lists a file twice with two sums is refused', () => {
    const lines = ['SHA256:', ` ${SUM} 12 main/x`, ` ${'b'.repeat(64)} 12 main/x`];
    expect(() => readRelease(release(lines))).toThrow(/twice/);
  });

  it('with weak sums only is refused', () => {
    const lines = ['MD5Sum:', ` ${'a'.repeat(32)} 12 main/x`];
    expect(() => readRelease(release(lines))).toThrow(expect.objectContaining({ code: 'release-sums-weak' }));
  });

  it('without a date, or with a bad one, is refused', () => {
    expect(() => readRelease('Origin: Test\n')).toThrow(/no Date/);
    expect(() => readRelease(release([], 'some day'))).toThrow(/no date/);
  });
});

it('paths of pool files lose the ./ in front and nothing else', () => {
  expect(archivePath('./pool/main/h/hello_1%3a2+b1~x.deb')).toBe('pool/main/h/hello_1%3a2+b1~x.deb');
  for (const bad of ['', '.', '..', './', '././..', 'a/../b', '/a', 'a/./b', 'a b', 'a\nb']) {
    expect([bad, archivePath(bad)]).toEqual([bad, null]);
  }
});
