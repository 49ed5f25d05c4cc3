/** Each limit of a job, broken by a package made for it: the job ends, is told apart, and leaves nothing. */
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Result } from '../../shared/protocol/job.ts';
import { RunnerHarness, type Overrides } from '../support/runner-harness.ts';
import { makeSourcePackage } from '../support/source-package.ts';
import { waitFor } from '../support/wait.ts';

/** A base is made first where none is warm; a busy machine takes many times as long as an idle one. */
vi.setConfig({ testTimeout: 180_000 });

let runner: RunnerHarness;
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-limits-'));
  runner = await RunnerHarness.open();
});

afterAll(async () => {
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

async function attempt(name: string, overrides: Overrides): Promise<string> {
  const source = await makeSourcePackage(name, { outDir: path.join(scratch, name) });
  return runner.buildAttempt(source, 'all', overrides);
}

async function end(name: string, overrides: Overrides): Promise<Result> {
  const id = await attempt(name, overrides);
  const { result } = await runner.toEnd(id);
  expect(await runner.names(id)).not.toContain('target');
  return result;
}

test.each([
  ['silence', 'never-ends', { silenceS: 3 }, 'wrote nothing into its log for 3 s'],
  ['memory', 'eats-memory', { memoryBytes: 400 * 1024 ** 2 }, 'more than 400 MiB of memory'],
  ['disk', 'fills-disk', { diskBytes: 200 * 1024 ** 2 }, 'more than 200 MiB of disk'],
  ['processes', 'forks-endlessly', { processes: 150 }, 'more than 150 processes'],
])('%s ends a build, and is named in its result', async (limit, name, limits, message) => {
  const result = await end(name, { limits, slot: 10 });
  expect(result).toMatchObject({ exitClass: 'package', stage: 'build', limit, files: [] });
  expect(result.message).toContain(message);
});

test('time is a limit of its own name', async () => {
  const result = await end('never-ends', { timeoutS: 12, slot: 11 });
  expect(result).toMatchObject({ exitClass: 'package', stage: 'build', limit: 'time' });
});

test('what a build may use without passing its limits does not end it', async () => {
  const limits = {
    silenceS: 60,
    memoryBytes: 1024 ** 3,
    diskBytes: 1024 ** 3,
    processes: 1000,
    minFreeBytes: 1,
  };
  const result = await end('greeter-data', { limits, slot: 12 });
  expect(result).toMatchObject({ exitClass: 'success', message: '' });
  expect(result).not.toHaveProperty('limit');
});

test("a host without room is the machine's fault, before anything is made", async () => {
  const result = await end('greeter-data', { limits: { minFreeBytes: 2 ** 52 }, slot: 13 });
  expect(result).toMatchObject({ exitClass: 'machine', stage: 'clean', limit: 'disk' });
  expect(result.message).toContain('to keep free');
});

/** Processes with this word in their command line. */
function processesNamed(word: string): number {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(word);
    } catch {
      return false;
    }
  }).length;
}

test('cancel reaches a daemon that left the build in a session of its own', async () => {
  const id = await attempt('leaves-daemon', { slot: 14 });
  expect((await runner.call(['start', runner.folder(id)])).code).toBe(0);
  await waitFor('the daemon', async () => (await runner.log(id)).includes('\nthe daemon runs\n'), 120_000);
  expect(processesNamed('987654321')).toBe(1);
  expect((await runner.call(['cancel', runner.folder(id)])).code).toBe(0);
  expect(await runner.result(id)).toMatchObject({ exitClass: 'cancelled' });
  expect(processesNamed('987654321')).toBe(0);
});
