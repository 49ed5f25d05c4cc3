/** The runner with the conservative driver: Debian's sbuild. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveFlatRepository } from '../support/flat-repository.ts';
import { RunnerHarness, type Overrides } from '../support/runner-harness.ts';
import { makeSourcePackage } from '../support/source-package.ts';

/** sbuild unpacks the base's tar for each build: some 15 s here, after a cold base's minute. */
const TIMEOUT_MS = 300_000;

let runner: RunnerHarness;
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-sbuild-'));
  runner = await RunnerHarness.open();
});

afterAll(async () => {
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

async function attempt(name: string, binaries: 'any' | 'all', overrides: Overrides = {}): Promise<string> {
  const source = await makeSourcePackage(name, { outDir: path.join(scratch, name) });
  return runner.buildAttempt(source, binaries, { driver: 'sbuild', ...overrides });
}

test(
  'sbuild builds with the devel queue, and its summary tells whose fault a failure is',
  async () => {
    const greeter = await attempt('greeter', 'any', { slot: 0 });
    const broken = await attempt('simple-build-failure', 'any', { slot: 1 });
    const [built, failed] = await Promise.all([runner.toSuccess(greeter), runner.toEnd(broken)]);
    expect(built.result.driver).toBe('sbuild');
    expect(Object.keys(built.result.stageSeconds)).toContain('build');
    expect(failed.result).toMatchObject({ exitClass: 'package', stage: 'build', driver: 'sbuild' });
    expect(await runner.names(broken)).not.toContain('target');
    const deb = built.result.files.find((file) => file.name.endsWith('.deb'))!.name;
    const devel = await serveFlatRepository(path.join(scratch, 'devel'), [
      path.join(runner.folder(greeter), 'results', deb),
    ]);
    try {
      const needs = await attempt('needs-greeter', 'all', { slot: 2, extraSources: [devel.source] });
      await runner.toSuccess(needs);
      expect(await runner.names(needs)).not.toContain('target');
    } finally {
      await devel.close();
    }
  },
  TIMEOUT_MS,
);
