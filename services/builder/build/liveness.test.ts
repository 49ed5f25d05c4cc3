import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isDone, readResult, readStatus, settleDead, writeStatus } from '../results/state-files.ts';
import { attemptAt, type Attempt } from './attempt.ts';
import { claimAttempt, runnerState, startTicksOf, type Identity } from './liveness.ts';

let root: string;
let attempt: Attempt;

beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-liveness-'));
  attempt = attemptAt(path.join(root, 'attempts/test/00000000-0000-4000-8000-000000000000'));
  await mkdir(attempt.folder, { recursive: true });
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function change(parts: Partial<Identity>): Promise<void> {
  const known = JSON.parse(await readFile(attempt.runner, 'utf8')) as Identity;
  await writeFile(attempt.runner, JSON.stringify({ ...known, ...parts }));
}

test('one claims, the other does not', async () => {
  expect(runnerState(attempt)).toBe('none');
  expect(await Promise.all([claimAttempt(attempt), claimAttempt(attempt)])).toHaveLength(2);
  expect(await claimAttempt(attempt)).toBe(false);
  expect(runnerState(attempt)).toBe('alive');
});

test('a recycled pid is not the runner, nor is one of before the reboot', async () => {
  await claimAttempt(attempt);
  await change({ startTicks: '1' });
  expect(runnerState(attempt)).toBe('dead');
  await change({ startTicks: startTicksOf(process.pid) ?? '', boot: 'another' });
  expect(runnerState(attempt)).toBe('dead');
});

test('a process whose name looks like a stat line is read right', async () => {
  const child = spawn('perl', ['-e', '$0 = "x) S 1 1 ("; print "ready"; $| = 1; print "\\n"; sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  expect(startTicksOf(child.pid!)).toMatch(/^[0-9]{2,}$/);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(startTicksOf(child.pid!)).toBeNull();
});

test("a dead runner's attempt gets a result; a living one's and a finished one's stay", async () => {
  await claimAttempt(attempt);
  await writeStatus(attempt, 'prep', process.pid);
  await settleDead(attempt);
  expect(readResult(attempt)).toBeNull();
  await change({ startTicks: '1' });
  await settleDead(attempt);
  expect(readResult(attempt)).toMatchObject({
    exitClass: 'machine',
    stage: 'prep',
    message: 'the runner died',
  });
  expect(isDone(attempt)).toBe(true);
  await settleDead(attempt, 'cancelled', 'too late');
  expect(readResult(attempt)).toMatchObject({ exitClass: 'machine' });
});

test('a runner that died between its result and done is completed, not judged', async () => {
  await claimAttempt(attempt);
  await change({ startTicks: '1' });
  await settleDead(attempt);
  const written = readResult(attempt);
  await writeStatus(attempt, 'ending', process.pid);
  await settleDead(attempt, 'machine', 'another message');
  expect(readResult(attempt)).toEqual(written);
  expect(readStatus(attempt)).toMatchObject({ stage: 'done' });
});

test.each(['/', '/tmp', '/w/attempts/test/x', '/w/other/test/00000000-0000-4000-8000-000000000000'])(
  '%s is no attempt folder',
  (folder) => {
    expect(() => attemptAt(folder)).toThrow(expect.objectContaining({ code: 'usage' }));
  },
);
