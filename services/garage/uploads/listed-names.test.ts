import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSafeFileName } from '../../../shared/files/safe-path.ts';
import { listedNames } from './listed-names.ts';

test('finds the names of every list, signed or not, each once', () => {
  const text = [
    '-----BEGIN PGP SIGNED MESSAGE-----',
    'Hash: SHA512',
    '',
    'Source: hello',
    'Changes:',
    ' not-a-file.txt',
    'Checksums-Sha256:',
    ' 0123 10 hello_1.dsc',
    'Files:',
    ' 0123 10 misc optional hello_1.dsc',
    '\t4567 20 misc optional hello_1.tar.xz\r',
    '-----BEGIN PGP SIGNATURE-----',
  ].join('\n');
  expect(listedNames(text)).toEqual(['hello_1.dsc', 'hello_1.tar.xz']);
});

test('whatever is written there, only harmless names come out', () => {
  const line = fc.oneof(
    fc.constantFrom('Files:', 'Checksums-Sha1:', ' 01 2 ../../etc/passwd', ' .hidden', ' a/..', ' x\0y'),
    fc.string().map((text) => ` ${text}`),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const names = listedNames(lines.join('\n'));
      expect(names.every(isSafeFileName)).toBe(true);
      expect(new Set(names).size).toBe(names.length);
    }),
  );
});
