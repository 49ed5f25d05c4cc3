import { describe, expect, test } from 'vitest';
import { candidateOf } from './stanza.ts';

const SHA256 = 'a'.repeat(64);
const BINARY = `Package: hello\nFilename: pool/main/h/hello/hello_1_amd64.deb\nSize: 10\nSHA256: ${SHA256}\nSection: net\n`;
const SOURCE = `Package: hello\nVersion: 1:2-1\nDirectory: pool/main/h/hello\nFiles:\n ${'b'.repeat(32)} 5 hello_2-1.dsc\nChecksums-Sha256:\n ${SHA256} 9 hello_2.orig.tar.gz\n ${SHA256} 5 hello_2-1.dsc\n`;

test('a binary package, with what its index says', () => {
  expect(candidateOf(BINARY, 'main/binary-amd64/Packages', 'public')).toEqual({
    ...{ path: 'public/pool/main/h/hello/hello_1_amd64.deb', kind: 'deb', component: 'main' },
    ...{ section: 'net', priority: null, expected: { size: 10, sha256: SHA256 } },
  });
});

test.each([
  ['main/debian-installer/binary-amd64/Packages', 'main', 'udeb'],
  ['main/debug/binary-amd64/Packages', 'main', 'deb'],
  ['updates/non-free/binary-i386/Packages', 'non-free', 'deb'],
])('%s is of %s', (index, component, kind) => {
  expect(candidateOf(BINARY, index, '')).toMatchObject({ component, kind });
});

test('a source is its .dsc', () => {
  expect(candidateOf(SOURCE, 'main/source/Sources', '')).toMatchObject({
    ...{ path: 'pool/main/h/hello/hello_2-1.dsc', kind: 'source', component: 'main' },
    expected: { size: 5, md5: 'b'.repeat(32), sha256: SHA256 },
  });
});

describe('refused', () => {
  test.each([
    ['a path that leaves the root', BINARY.replace('pool/main', '../../etc')],
    ['an absolute path', BINARY.replace('pool/main', '/etc')],
    ['no path', BINARY.replace(/^Filename.*\n/m, '')],
    ['no size', BINARY.replace('Size: 10', 'Size: many')],
    ['no sum', BINARY.replace(/^SHA256.*\n/m, '')],
    ['a sum that is none', BINARY.replace(SHA256, 'x'.repeat(64))],
  ])('%s', (_what, text) => {
    expect(() => candidateOf(text, 'main/binary-amd64/Packages', '')).toThrow(
      expect.objectContaining({ code: 'index-stanza-invalid' }),
    );
  });
});
