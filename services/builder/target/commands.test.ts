/** The command lines and configuration that a job becomes. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import { buildOptions, buildpackageArgv, buildPath } from './dpkg-build.ts';
import { armored, sbuildArgv, sbuildConfig } from './sbuild-config.ts';

const job: BuildJob = {
  version: 1,
  attempt: '00000000-0000-4000-8000-000000000000',
  instance: 'test',
  slot: 0,
  base: { product: 'bookworm', architecture: 'amd64', sources: [], maxAgeHours: 1 },
  driver: 'auto',
  extraSources: [],
  timeoutS: 60,
  maxLogBytes: 1024,
  kind: 'build',
  source: 'hello',
  sourceVersion: '2:1.0~rc1-3+deb12u1',
  dsc: 'hello_1.0~rc1-3+deb12u1.dsc',
  files: [],
  binaries: 'any',
  sourceDateEpoch: 1_700_000_000,
  buildOptions: ['nocheck'],
  buildProfiles: ['nodoc', 'nocheck'],
};

test('the build path names source and upstream version only', () => {
  expect(buildPath(job)).toBe('/build/hello-1.0~rc1');
});

test("parallel is the host's unless the job says otherwise", () => {
  expect(buildOptions(job)).toMatch(/^nocheck parallel=[1-9][0-9]*$/);
  expect(buildOptions({ buildOptions: ['parallel=3'] })).toBe('parallel=3');
});

test.each([
  ['any', '-B'],
  ['all', '-A'],
  ['both', '-b'],
] as const)('%s is built with %s', (binaries, flag) => {
  expect(buildpackageArgv({ ...job, binaries })).toEqual([
    'dpkg-buildpackage',
    '-us',
    '-uc',
    flag,
    '-Pnodoc,nocheck',
  ]);
});

test("sbuild's configuration is Perl, whatever the path holds", () => {
  const config = sbuildConfig(job, "/tmp/it's \\ odd");
  const script = `${config.replace('1;\n', '')} print $unshare_tmpdir_template, "|", $build_environment->{SOURCE_DATE_EPOCH};`;
  const printed = execFileSync('perl', ['-e', script]).toString();
  expect(printed).toBe("/tmp/it's \\ odd/session.XXXXXXXXXX|1700000000");
});

test('sbuild gets what is to be built, the repositories and their keys', () => {
  const key = Buffer.from([0x99, 1, 2, 3]);
  const extra = { uris: ['http://q.example.org/devel'], suites: ['bookworm'], components: ['main'], key };
  const argv = sbuildArgv(
    { ...job, binaries: 'all' },
    {
      tar: '/b/base.tar',
      dsc: '/s/hello.dsc',
      extra: [{ ...extra, keyEnding: '.gpg' }],
      base: [],
      keyFiles: ['/k.asc'],
    },
  );
  expect(argv).toContain('--no-arch-any');
  expect(argv).toContain('--extra-repository=deb http://q.example.org/devel bookworm main');
  expect(argv).toContain('--extra-repository-key=/k.asc');
  expect(argv.at(-1)).toBe('/s/hello.dsc');
  const text = armored({ ...extra, keyEnding: '.gpg' });
  expect(text).toContain(`\n\n${key.toString('base64')}\n-----END`);
});
