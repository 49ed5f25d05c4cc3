/** Checks by the real runner, with Debian's own tools, on packages that are good and bad in one way each. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CheckJob, CheckReport, Result } from '../../shared/protocol/job.ts';
import { serveFlatRepository } from '../support/flat-repository.ts';
import { RunnerHarness, type Overrides } from '../support/runner-harness.ts';
import { makeSourcePackage, type SourcePackage } from '../support/source-package.ts';

/** The first use of a tool makes a base that has it: a minute, several on a busy machine. */
vi.setConfig({ testTimeout: 400_000 });
const COLD_S = 380;

let runner: RunnerHarness;
let scratch: string;
const built = new Map<string, Promise<{ source: SourcePackage; debs: string[] }>>();

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-checks-'));
  runner = await RunnerHarness.open();
});
afterAll(async () => {
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

/** A fixture's packages, built once. A slot for each, so that none is taken for another's leftovers. */
async function build(name: string): Promise<{ source: SourcePackage; debs: string[] }> {
  const slot = built.size;
  const making = built.get(name) ?? make(name, slot);
  built.set(name, making);
  return making;
}

async function make(name: string, slot: number): Promise<{ source: SourcePackage; debs: string[] }> {
  const source = await makeSourcePackage(name, { outDir: path.join(scratch, name) });
  const attempt = await runner.buildAttempt(source, binariesOf(name), { slot, timeoutS: COLD_S });
  const { result } = await runner.toSuccess(attempt);
  const names = result.files.map((file) => file.name).filter((file) => file.endsWith('.deb'));
  return { source, debs: names.map((file) => path.join(runner.folder(attempt), 'results', file)) };
}

function binariesOf(name: string): CheckJob['binaries'] {
  return name === 'greeter' ? 'any' : 'all';
}

async function check(
  which: CheckJob['check'],
  name: string,
  overrides: Overrides & { include?: string[]; others?: string[] } = {},
): Promise<{ log: string; result: Result; report: CheckReport | undefined }> {
  const { source, debs } = await build(name);
  const attempt = await runner.checkAttempt(which, source, debs, {
    ...{ slot: 1000, timeoutS: COLD_S, binaries: binariesOf(name) },
    ...overrides,
  });
  const end = await runner.toEnd(attempt);
  expect(await runner.names(attempt)).not.toContain('target');
  return { ...end, report: end.result.check };
}

test('install: a good package installs', async () => {
  const { result, report, log } = await check('install', 'greeter');
  expect(result).toMatchObject({ exitClass: 'success', stage: 'done', files: [] });
  expect(report).toEqual({ note: 'It installs', lines: [] });
  expect(log).toContain('Setting up greeter (1.0-1)');
  expect(log.match(/apt-get .*update/g)).toHaveLength(1); // and that of the product's queue only
});

test('install: one that does not says why, in its own words', async () => {
  const { result, log } = await check('install', 'breaks-at-install');
  expect(result).toMatchObject({ exitClass: 'package', stage: 'ending' });
  expect(result.message).toMatch(
    /^Does not install: breaks-at-install: .*post-installation script .* status 3$/,
  );
  expect(log).toContain('the postinst gives up');
});

test('install: packages that conflict are tried each by itself, with the others at hand', async () => {
  const { result, report } = await check('install', 'either-or');
  expect(result.exitClass).toBe('success');
  expect(report?.note).toBe('All 3 packages install, each in a system of its own');
});

test('install: a dependency that nobody has is named', async () => {
  const { debs } = await build('either-or');
  const alone = debs.filter((file) => path.basename(file).startsWith('either-two'));
  const { source } = await build('either-or');
  const run = async (others: string[]): Promise<Result> => {
    const attempt = await runner.checkAttempt('install', source, alone, {
      slot: 1000,
      timeoutS: COLD_S,
      others,
    });
    return (await runner.toEnd(attempt)).result;
  };
  expect(await run([])).toMatchObject({ exitClass: 'dep-wait', missing: ['either-common (= 1.0)'] });
  const common = debs.filter((file) => path.basename(file).startsWith('either-common'));
  expect(await run(common)).toMatchObject({ exitClass: 'success' });
});

test('install: dependencies come from the devel queue', async () => {
  const { debs, source } = await build('either-or');
  const named = (name: string): string[] => debs.filter((file) => path.basename(file).startsWith(name));
  const devel = await serveFlatRepository(path.join(scratch, 'devel'), named('either-common'));
  try {
    const overrides = { slot: 1000, timeoutS: COLD_S, extraSources: [devel.source] };
    const attempt = await runner.checkAttempt('install', source, named('either-two'), overrides);
    expect((await runner.toEnd(attempt)).result).toMatchObject({ exitClass: 'success' });
  } finally {
    await devel.close();
  }
});

test('lintian: errors fail the check, and are told', async () => {
  const { result, report } = await check('lintian', 'greeter', { include: ['lintian'] });
  expect(result.exitClass).toBe('package');
  expect(result.message).toMatch(/^Lintian found [1-9]\d* errors, \d+ warnings: E: greeter: /);
  expect(report?.lines).toContainEqual(expect.stringMatching(/^W: greeter: no-manual-page/));
});

test('autopkgtest: tests run on the installed packages, with what they depend on', async () => {
  const include = ['autopkgtest'];
  const good = await check('autopkgtest', 'has-tests', { include });
  expect(good.result).toMatchObject({ exitClass: 'success' });
  expect(good.report?.note).toBe('2 of 2 tests passed');
  const bad = await check('autopkgtest', 'fails-its-tests', { include });
  expect(bad.result).toMatchObject({ exitClass: 'package' });
  expect(bad.result.message).toContain('1 of 2 tests passed, 1 failed: broken');
  expect(bad.log).toContain('this test finds a fault');
});

test('autopkgtest: a source without tests passes, and no system is made for that', async () => {
  const { result, report, log } = await check('autopkgtest', 'greeter', { include: ['autopkgtest'] });
  expect(result.exitClass).toBe('success');
  expect(report?.note).toBe('The source package has no tests');
  expect(log).not.toContain('==> prep');
});

test('piuparts: what is left behind fails the check', async () => {
  const include = ['piuparts'];
  const good = await check('piuparts', 'has-tests', { include });
  expect(good.result).toMatchObject({ exitClass: 'success' });
  expect(good.report?.note).toBe('It leaves nothing behind');
  const bad = await check('piuparts', 'leaves-traces', { include });
  expect(bad.result).toMatchObject({ exitClass: 'package' });
  expect(bad.report?.lines.join('\n')).toContain('/var/lib/leaves-traces/state');
});

test('rebuild: the same bytes, or what differs', async () => {
  const same = await check('rebuild', 'greeter');
  expect(same.result).toMatchObject({ exitClass: 'success' });
  expect(same.report?.note).toBe('Reproducible: 1 packages are the same bytes');
  const other = await check('rebuild', 'never-the-same');
  expect(other.result).toMatchObject({ exitClass: 'package' });
  expect(other.result.message).toBe('Not reproducible: never-the-same_1.0_all.deb');
  expect(other.report?.lines.join('\n')).toMatch(/Files .*doc\/never-the-same\/number .* differ/);
});
