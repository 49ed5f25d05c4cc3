import { expect, test } from 'vitest';
import { parsePlan } from './dependencies.ts';

const SUM = 'e397ec5b52f54db5ad82b1f95e62f2ae85fe2c728f3cf94a8af77bdf57340389';

test('a plan names each file with its size and sum, and leaves out what apt says beside it', () => {
  const output = [
    'Reading package lists...',
    "Note, using file '/build/x.dsc' to get the build dependencies",
    `'http://archive.example.org/pool/t/texinfo_6.8-6%2bb1_amd64.deb' texinfo_6.8-6+b1_amd64.deb 12 SHA256:${SUM}`,
    `'http://archive.example.org/pool/f/file_5.44_amd64.deb' file_1%3a5.44_amd64.deb 34 SHA256:${SUM}`,
    '',
  ].join('\n');
  expect(parsePlan(output)).toEqual([
    { name: 'texinfo_6.8-6+b1_amd64.deb', size: 12, sha256: SUM },
    { name: 'file_1%3a5.44_amd64.deb', size: 34, sha256: SUM },
  ]);
  expect(parsePlan('nothing to do\n')).toEqual([]);
});

test.each([
  ['a weak sum', "'http://a/b.deb' b.deb 12 MD5Sum:f64f2c64fe0d0b4f357aa8de29051496"],
  ['a path', `'http://a/b.deb' ../b.deb 12 SHA256:${SUM}`],
  ['no size', `'http://a/b.deb' b.deb SHA256:${SUM}`],
])('%s makes no plan', (_, line) => {
  expect(parsePlan(`${line}\n`)).toBeNull();
});
