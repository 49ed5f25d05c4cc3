import { expect, test } from 'vitest';
import { reasonIn } from './base-make.ts';

test.each([
  [
    'an index that cannot be fetched',
    'E: Failed to fetch http://a.example.org/dists/x/main/binary-i386/Packages.xz  File has unexpected size\nE: Some index files failed to download.',
    ': no usable index for i386 (Failed to fetch http://a.example.org/dists/x/main/binary-i386/Packages.xz  File has unexpected size); where that stays so, say which architectures the source serves',
  ],
  [
    'an archive without the architecture',
    "N: Skipping acquire of configured file 'main/binary-i386/Packages' as repository 'http://a.example.org x InRelease' doesn't support architecture 'i386'\nE: Unable to locate package dpkg",
    ': no usable index for i386 (http://a.example.org x InRelease has none); where that stays so, say which architectures the source serves',
  ],
  [
    'a host that cannot run it',
    'E: i386 can neither be executed natively nor via qemu user emulation with binfmt_misc',
    ': i386 can neither be executed natively nor via qemu user emulation with binfmt_misc',
  ],
  [
    'a mirror that is away',
    'E: Failed to fetch http://a.example.org/dists/x/InRelease  Could not connect\n',
    ': Failed to fetch http://a.example.org/dists/x/InRelease  Could not connect',
  ],
  ['anything else', 'E: something', ''],
])('%s is named', (_, output, reason) => {
  expect(reasonIn(output, 'i386')).toBe(reason);
});
