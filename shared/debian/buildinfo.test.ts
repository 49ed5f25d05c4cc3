import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeSourcePackage } from '../../test/support/source-package.ts';
import { runChecked } from '../process/run.ts';
import { parseBuildinfo } from './buildinfo.ts';

const TEXT = `Format: 1.0
Source: sample (1:1.0-1)
Binary: sample libsample1
Architecture: amd64 all
Version: 1:1.0-1+b1
Checksums-Sha256:
 dc7501ee249fed3f1798b239e50b829b80586f7eee87aa6d5e6fc7c605e91a19 768 sample_1.0-1+b1_amd64.deb
Build-Origin: Debian
Build-Architecture: amd64
Build-Date: Fri, 20 Nov 2026 08:37:04 +0000
Build-Path: /build/sample-1.0
Build-Tainted-By:
 merged-usr-via-aliased-dirs
 usr-local-has-programs
Installed-Build-Depends:
 base-files (= 12.4+deb12u15),
 libc6:i386 (= 2.36-9+deb12u10),
 zlib1g (= 1:1.2.13.dfsg-1)
Environment:
 DEB_BUILD_OPTIONS="nocheck parallel=2"
 QUOTED="a \\"b\\" c"
`;

test('reads everything of a .buildinfo', () => {
  expect(parseBuildinfo(TEXT)).toMatchObject({
    ...{ source: 'sample', sourceVersion: '1:1.0-1', version: '1:1.0-1+b1' },
    ...{ architectures: ['amd64', 'all'], buildArchitecture: 'amd64', buildPath: '/build/sample-1.0' },
    tainted: ['merged-usr-via-aliased-dirs', 'usr-local-has-programs'],
    installed: [
      { name: 'base-files', architecture: null, version: '12.4+deb12u15' },
      { name: 'libc6', architecture: 'i386', version: '2.36-9+deb12u10' },
      { name: 'zlib1g', architecture: null, version: '1:1.2.13.dfsg-1' },
    ],
    environment: { DEB_BUILD_OPTIONS: 'nocheck parallel=2', QUOTED: 'a "b" c' },
  });
});

test.each([
  ['Format: 1.0', 'Format: 9'],
  [' zlib1g (= 1:1.2.13.dfsg-1)', ' zlib1g (>= 1)'],
  [' zlib1g (= 1:1.2.13.dfsg-1)', ' ../zlib (= 1)'],
  ['Source: sample (1:1.0-1)', 'Source: Sample!'],
  [' QUOTED=', ' QUOTED '],
  ['Version: 1:1.0-1+b1', 'Version: x'],
])('refuses %s as %s', (from, to) => {
  expect(() => parseBuildinfo(TEXT.replace(from, to))).toThrow(
    expect.objectContaining({ code: 'buildinfo-invalid' }),
  );
});

test("reads what dpkg-genbuildinfo writes, all of dpkg's own list", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'buildinfo-'));
  try {
    const made = await makeSourcePackage('greeter', { outDir: folder, distribution: 'bookworm' });
    const tree = path.join(folder, 'tree');
    await runChecked(['dpkg-source', '--extract', made.dsc, tree]);
    const file = path.join(folder, 'greeter.buildinfo');
    await runChecked(['dpkg-genbuildinfo', '--build=source', `-O${file}`], { cwd: tree });
    const text = await readFile(file, 'utf8');
    const { installed, source, buildArchitecture } = parseBuildinfo(text);
    const { stdout } = await runChecked(['dpkg', '--print-architecture']);
    expect({ source, buildArchitecture }).toEqual({
      source: 'greeter',
      buildArchitecture: stdout.toString('utf8').trim(),
    });
    expect(installed.length).toBeGreaterThan(20);
    const dpkg = installed.find((each) => each.name === 'dpkg');
    const query = await runChecked(['dpkg-query', '-W', '-f', '${Version}', 'dpkg']);
    expect(dpkg?.version).toBe(query.stdout.toString('utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
