/** The runner with the conservative driver: Debian's sbuild. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveFlatRepository } from '../support/flat-repository.ts';
import { RunnerHarness } from '../support/runner-harness.ts';
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

async function build(name: string, binaries: 'any' | 'all', slot: number, extraSources = [] as never[]) {
  const source = await makeSourcePackage(name, { outDir: path.join(scratch, name) });
  const attempt = await runner.buildAttempt(source, binaries, { driver: 'sbuild', slot, extraSources });
  return { attempt, ...(await runner.toEnd(attempt)) };
}

test(
  'sbuild builds with the devel queue, and its summary tells whose fault a failure is',
  async () => {
    const greeter = await build('greeter', 'any', 0);
    expect(greeter.result, greeter.log).toMatchObject({ exitClass: 'success', driver: 'sbuild' });
    expect(Object.keys(greeter.result.stageSeconds)).toContain('build');
    const deb = greeter.result.files.find((file) => file.name.endsWith('.deb'))!.name;
    const built = path.join(runner.folder(greeter.attempt), 'results', deb);
    const devel = await serveFlatRepository(path.join(scratch, 'devel'), [built]);
    try {
      const [needs, failure, missing] = await Promise.all([
        build('needs-greeter', 'all', 1, [devel.source] as never[]),
        build('simple-build-failure', 'any', 2),
        build('needs-missing', 'all', 3),
      ]);
      expect(needs.result, needs.log).toMatchObject({ exitClass: 'success' });
      expect(failure.result).toMatchObject({ exitClass: 'package', stage: 'build' });
      expect(missing.result).toMatchObject({
        exitClass: 'dep-wait',
        stage: 'setup',
        missing: ['no-such-package (>= 2.0)'],
      });
      for (const { attempt } of [needs, failure, missing]) {
        expect(await runner.names(attempt)).not.toContain('target');
      }
    } finally {
      await devel.close();
    }
  },
  TIMEOUT_MS,
);
