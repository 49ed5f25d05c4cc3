/** The package cache: what one build fetched and installed, the next one has at hand; repositories with a pin. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Result } from '../../shared/protocol/job.ts';
import { serveFlatRepository, type FlatRepository } from '../support/flat-repository.ts';
import { RunnerHarness, type Overrides } from '../support/runner-harness.ts';
import { makeSourcePackage } from '../support/source-package.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 300_000 });

let runner: RunnerHarness;
let scratch: string;
/** Two versions of greeter, each in a repository of its own. */
let one: FlatRepository;
let two: FlatRepository;

async function build(
  name: string,
  overrides: Overrides = {},
  version?: string,
): Promise<{ id: string; log: string; result: Result }> {
  const outDir = path.join(scratch, `${name}-${version ?? 'own'}`);
  const source = await makeSourcePackage(name, version === undefined ? { outDir } : { outDir, version });
  const id = await runner.buildAttempt(source, name === 'greeter' ? 'any' : 'all', overrides);
  return { id, ...(await runner.toSuccess(id)) };
}

async function repositoryOf(version: string): Promise<FlatRepository> {
  const { id, result } = await build('greeter', { slot: 20 }, version);
  const debs = result.files.filter((file) => file.name.endsWith('.deb'));
  return serveFlatRepository(
    path.join(scratch, `repository-${version}`),
    debs.map((file) => path.join(runner.folder(id), 'results', file.name)),
  );
}

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-cache-'));
  runner = await RunnerHarness.open();
  // Of this run only: what an earlier run left in the host's cache must not count.
  const run = String(Date.now());
  one = await repositoryOf(`1.${run}-1`);
  two = await repositoryOf(`2.${run}-1`);
});

afterAll(async () => {
  await one.close();
  await two.close();
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

/** .debs asked for since the last call. */
function debsFetched(repository: FlatRepository): number {
  return repository.requests.splice(0).filter((name) => name.endsWith('.deb')).length;
}

/** The package that a build made, with its sum. */
function deb({ files }: Result): unknown {
  return files.find((file) => file.name.endsWith('.deb'));
}

const packageCache = { maxBytes: 2 ** 32 };

test('the second build with the same dependencies begins where the first one had them installed', async () => {
  const overrides = { slot: 21, extraSources: [one.source], packageCache };
  const first = await build('needs-greeter', overrides);
  expect(first.log).toContain('\nSetting up greeter');
  expect(debsFetched(one)).toBe(1);
  const second = await build('needs-greeter', overrides);
  expect(second.log).toContain('are there as layer');
  expect(second.log).not.toContain('Setting up greeter');
  expect(debsFetched(one)).toBe(0);

  expect(deb(second.result)).toEqual(deb(first.result));
});

test('a build of another kind takes the packages from the cache, and installs them', async () => {
  const overrides = { slot: 21, extraSources: [one.source], packageCache, buildProfiles: ['nocheck'] };
  const { log } = await build('needs-greeter', overrides);
  expect(log).toContain('1 of 1 packages are in the package cache');
  expect(log).toContain('\nSetting up greeter');
  expect(debsFetched(one)).toBe(0);
});

test('another version of a dependency is another system', async () => {
  const { log } = await build('needs-greeter', { slot: 21, extraSources: [two.source], packageCache });
  expect(log).toContain('\nSetting up greeter (2.');
  expect(debsFetched(two)).toBe(1);
});

test("without a cache nothing of one build is another's", async () => {
  const { log } = await build('needs-greeter', { slot: 21, extraSources: [one.source] });
  expect(log).toContain('\nSetting up greeter');
  expect(debsFetched(one)).toBe(1);
});

test('a pin decides between repositories that have the same package', async () => {
  const refused = { ...two.source, pin: { priority: -10, packages: ['*'], release: 'o=Test' } };
  const pinned = { ...two.source, pin: { priority: -10, packages: ['greet*'] } };
  const newest = await build('needs-greeter', { slot: 21, extraSources: [one.source, two.source] });
  expect(newest.log).toContain('Setting up greeter (2.');
  // Both are on one host, as two repositories of one server are, and say the same Origin.
  const source = await makeSourcePackage('needs-greeter', { outDir: path.join(scratch, 'pinned') });
  for (const extra of [refused, pinned]) {
    const id = await runner.buildAttempt(source, 'all', { slot: 21, extraSources: [extra] });
    expect((await runner.toEnd(id)).result).toMatchObject({ exitClass: 'dep-wait', missing: ['greeter'] });
  }
});
