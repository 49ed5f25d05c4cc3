import { expect, test } from 'vitest';
import { readAptFailure } from './apt-errors.ts';

test('apt 2.6 names a dependency that does not exist', () => {
  const output = `Some packages could not be installed.
The following packages have unmet dependencies:
 builddeps:./x_1.dsc : Depends: no-such-package (>= 2.0) but it is not installable
                       Depends: hello (>= 99) but 2.10-3 is to be installed
E: Unable to correct problems, you have held broken packages.
`;
  expect(readAptFailure(output)).toEqual({
    kind: 'unmet',
    missing: ['no-such-package (>= 2.0)', 'hello (>= 99)'],
  });
});

test('apt 3.0 names it in its own words', () => {
  const output = `The following packages have unmet dependencies:
E: Unable to satisfy dependencies. Reached two conflicting assignments:
   1. builddeps:./x_1.dsc:amd64=1 is selected for install
   2. builddeps:./x_1.dsc:amd64 Depends no-such-package
      but none of the choices are installable:
      [no choices]
`;
  expect(readAptFailure(output)).toEqual({ kind: 'unmet', missing: ['no-such-package'] });
});

test('a fetch that failed is not taken for a missing dependency', () => {
  const output = `E: Failed to fetch http://archive.example.org/pool/h/hello.deb  Connection refused
E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?
`;
  expect(readAptFailure(output)).toMatchObject({
    kind: 'fetch',
    line: expect.stringContaining('Connection refused'),
  });
});

test('a package to install that nobody has', () => {
  expect(readAptFailure('E: Unable to locate package greeter\n')).toEqual({
    kind: 'unmet',
    missing: ['greeter'],
  });
});

test('anything else keeps its first line', () => {
  const output = 'dpkg: error\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n';
  expect(readAptFailure(output)).toEqual({
    kind: 'other',
    line: 'Sub-process /usr/bin/dpkg returned an error code (1)',
  });
});
