/** The real runner, bundled and in processes of its own, on the tiny packages of test/fixtures. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parseChanges } from '../../shared/debian/changes.ts';
import { probe as probeSchema, result as resultSchema } from '../../shared/protocol/job.ts';
import { runChecked } from '../../shared/process/run.ts';
import { serveFlatRepository } from '../support/flat-repository.ts';
import { RunnerHarness } from '../support/runner-harness.ts';
import { makeSourcePackage, type SourcePackage } from '../support/source-package.ts';
import { waitFor } from '../support/wait.ts';

/** A cold base is made first: a minute on a slow line, more on a slow disk. */
const BASE_TIMEOUT_MS = 300_000;

/** Each test builds one to four packages, seconds each; a busy machine takes many times as long. */
vi.setConfig({ testTimeout: 120_000 });
/** Must outlast the stages before `build` on a busy machine. */
const TIME_LIMIT_S = 15;

let runner: RunnerHarness;
let scratch: string;

function source(name: string, version?: string): Promise<SourcePackage> {
  const options = { outDir: path.join(scratch, name) };
  return makeSourcePackage(name, version === undefined ? options : { ...options, version });
}

async function waitForLog(attempt: string, text: string): Promise<void> {
  await waitFor(`'${text}' in the log`, async () => (await runner.log(attempt)).includes(text));
}

/** Starts a build that never ends; returns once it runs. */
async function startEndless(slot: number): Promise<string> {
  const attempt = await runner.buildAttempt(await source('never-ends'), 'all', { slot });
  const { code } = await runner.call(['start', runner.folder(attempt)]);
  expect(code).toBe(0);
  await waitForLog(attempt, 'waiting for the end of time');
  return attempt;
}

/** The runner is nobody's child any more, so init may take a moment to reap it. */
async function waitForEnd(pid: number): Promise<void> {
  await waitFor(`the end of process ${pid}`, () => !existsSync(`/proc/${pid}`));
}

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-runner-'));
  runner = await RunnerHarness.open();
  const attempt = await runner.installAttempt(['hello'], []);
  const made = await runner.call(['base', runner.folder(attempt)]);
  if (made.code !== 0) throw new Error(`base: ${made.stdout.toString()}${made.stderr.toString()}`);
}, BASE_TIMEOUT_MS);

afterAll(async () => {
  await runner.close();
  await rm(scratch, { recursive: true, force: true });
});

test('builds, and leaves results, a log and no target', async () => {
  const attempt = await runner.buildAttempt(await source('greeter'), 'any');
  const { log, result } = await runner.toEnd(attempt);
  expect(resultSchema.parse(result)).toMatchObject({ exitClass: 'success', stage: 'done', message: '' });
  expect(Object.keys(result.stageSeconds)).toEqual(['init', 'clean', 'prep', 'setup', 'build', 'ending']);
  const endings = result.files.map((file) => file.name.replace(/.*\./, ''));
  expect(endings).toEqual(['changes', 'buildinfo', 'deb']);
  const changes = await readFile(path.join(runner.folder(attempt), 'results', result.files[0]!.name), 'utf8');
  expect(parseChanges(changes)).toMatchObject({ source: 'greeter', version: '1.0-1' });
  expect(await runner.status(attempt)).toMatchObject({ stage: 'done' });
  expect(await runner.names(attempt)).not.toContain('target');
  for (const stage of ['init', 'clean', 'prep', 'setup', 'build', 'ending', 'done']) {
    expect(log).toContain(`==> ${stage} (`);
  }
  expect(log).toContain('+ dpkg-buildpackage -us -uc -B');

  const tail = await runner.call(['follow', runner.folder(attempt), String(Buffer.byteLength(log) - 10)]);
  expect(tail.stdout.toString('utf8')).toBe(log.slice(-10));
  const again = await runner.call(['start', runner.folder(attempt)]);
  expect(again.code).toBe(0);
  expect(await runner.result(attempt)).toEqual(result);
});

test('the same source gives the same package', async () => {
  const sums: string[] = [];
  for (const _ of [1, 2]) {
    const attempt = await runner.buildAttempt(await source('greeter-data'), 'all');
    const { result } = await runner.toEnd(attempt);
    expect(result.exitClass).toBe('success');
    sums.push(result.files.find((file) => file.name.endsWith('.deb'))!.sha256);
  }
  expect(sums[0]).toBe(sums[1]);
});

test("a failing build is the package's fault, in stage build", async () => {
  const attempt = await runner.buildAttempt(await source('simple-build-failure'), 'any');
  const { log, result } = await runner.toEnd(attempt);
  expect(result).toMatchObject({ exitClass: 'package', stage: 'build', files: [] });
  expect(log).toContain('error: ‘undeclared_name’ undeclared');
  expect(await runner.names(attempt)).not.toContain('target');
});

test('a dependency that nobody has is dep-wait, named', async () => {
  const attempt = await runner.buildAttempt(await source('needs-missing'), 'all');
  const { result } = await runner.toEnd(attempt);
  expect(result).toMatchObject({
    exitClass: 'dep-wait',
    stage: 'setup',
    missing: ['no-such-package (>= 2.0)'],
  });
});

test('the network is off while building, loopback is not', async () => {
  const attempt = await runner.buildAttempt(await source('peeks-network'), 'all');
  const { log } = await runner.toSuccess(attempt);
  expect(log).toContain('\nlooking for a network\n'); // written to /dev/stderr, as builds do
});

test('the network is off though a build-dependency has replaced the tools that could keep it off', async () => {
  const tree = path.join(scratch, 'tampered-tools');
  await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
  const control =
    'Package: tampered-tools\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: x\n';
  await writeFile(path.join(tree, 'DEBIAN/control'), control);
  // Each drops its own options and runs the command behind them, as whoever called it.
  const tampered = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n';
  const tools = '/usr/bin/nsenter /usr/bin/setpriv /usr/bin/prlimit /usr/bin/unshare';
  const postinst = `#!/bin/sh\nset -e\nfor tool in ${tools}; do rm -f $tool; cp /usr/share/tampered $tool; done\n`;
  await writeFile(path.join(tree, 'DEBIAN/postinst'), postinst, { mode: 0o755 });
  await mkdir(path.join(tree, 'usr/share'), { recursive: true });
  await writeFile(path.join(tree, 'usr/share/tampered'), tampered, { mode: 0o755 });
  const deb = path.join(scratch, 'tampered-tools_1.0_all.deb');
  await runChecked(['dpkg-deb', '--root-owner-group', '--build', tree, deb]);
  const devel = await serveFlatRepository(path.join(scratch, 'tampered'), [deb]);
  try {
    const made = await source('meets-tampered-tools');
    const attempt = await runner.buildAttempt(made, 'all', { extraSources: [devel.source] });
    const { log } = await runner.toSuccess(attempt);
    expect(log).toContain('tampered-tools');
  } finally {
    await devel.close();
  }
});

test('dependencies come from the devel queue, also where it is NotAutomatic; what is built installs', async () => {
  const greeter = await runner.buildAttempt(await source('greeter', '2.0-1'), 'any', { slot: 1 });
  const built = await runner.toSuccess(greeter);
  const deb = built.result.files.find((file) => file.name.endsWith('.deb'))!.name;
  const folder = path.join(scratch, 'devel');
  const devel = await serveFlatRepository(folder, [path.join(runner.folder(greeter), 'results', deb)]);
  try {
    const extraSources = [devel.source];
    const needs = await runner.buildAttempt(await source('needs-greeter'), 'all', { extraSources });
    await runner.toSuccess(needs);
    const install = await runner.installAttempt(['greeter'], ['greeter'], { extraSources });
    const installed = await runner.toSuccess(install);
    expect(installed.result.files).toEqual([]);
    const output = /begin of the output\n([^]*)-----/.exec(installed.log)?.[1];
    expect(output).toContain('Hello from greeter 2.0-1\n');
    const refused = await runner.installAttempt(['greeter=9.9-1'], [], { extraSources });
    expect((await runner.toEnd(refused)).result).toMatchObject({ exitClass: 'package', stage: 'setup' });
  } finally {
    await devel.close();
  }
});

test("a source file that arrived damaged is the machine's fault", async () => {
  const attempt = await runner.buildAttempt(await source('greeter'), 'any');
  await writeFile(path.join(runner.folder(attempt), 'source', 'greeter_1.0-1.dsc'), 'cut');
  const { result } = await runner.toEnd(attempt);
  expect(result).toMatchObject({ exitClass: 'machine', stage: 'init' });
  expect(result.message).toContain('greeter_1.0-1.dsc');
});

test('cancel ends the build and everything in it', async () => {
  const attempt = await startEndless(0);
  const { pid } = await runner.status(attempt);
  const { code } = await runner.call(['cancel', runner.folder(attempt)]);
  expect(code).toBe(0);
  expect(await runner.result(attempt)).toMatchObject({ exitClass: 'cancelled', stage: 'build' });
  await waitForEnd(pid);
  expect(await runner.names(attempt)).not.toContain('target');
});

test('a runner that is killed is noticed by follow; a second start does not build again', async () => {
  const attempt = await startEndless(0);
  const { pid } = await runner.status(attempt);
  const following = runner.call(['follow', runner.folder(attempt), '0']);
  process.kill(pid, 'SIGKILL');
  const followed = await following;
  expect(followed.code).toBe(0);
  expect(followed.stdout.toString()).toContain('waiting for the end of time');
  const result = await runner.result(attempt);
  expect(result).toMatchObject({ exitClass: 'machine', stage: 'build', message: 'the runner died' });
  const again = await runner.call(['start', runner.folder(attempt)]);
  expect(again.code).toBe(0);
  expect((await runner.status(attempt)).pid).toBe(pid);
  expect(await runner.names(attempt)).toContain('target'); // for the next attempt to clean up

  const next = await runner.buildAttempt(await source('greeter-data'), 'all');
  const { log } = await runner.toEnd(next);
  expect(log).toContain(`Removing what attempt ${attempt} left`);
  await expect(runner.names(attempt)).rejects.toThrow('ENOENT');
});

test('another slot is left alone, the same slot is taken over from a runner that still runs', async () => {
  const [mine, others] = await Promise.all([startEndless(2), startEndless(3)]);
  const { pid } = await runner.status(mine);
  const next = await runner.buildAttempt(await source('greeter-data'), 'all', { slot: 2 });
  expect((await runner.toEnd(next)).result.exitClass).toBe('success');
  await waitForEnd(pid);
  await expect(runner.names(mine)).rejects.toThrow('ENOENT');
  expect(await runner.status(others)).toMatchObject({ stage: 'build' });
  expect((await runner.call(['remove', runner.folder(others)])).code).toBe(0);
  await expect(runner.names(others)).rejects.toThrow('ENOENT');
});

test('two starts at once make one runner', async () => {
  const attempt = await runner.buildAttempt(await source('greeter-data'), 'all');
  const starts = await Promise.all([1, 2, 3].map(() => runner.call(['start', runner.folder(attempt)])));
  expect(starts.map(({ code }) => code)).toEqual([0, 0, 0]);
  const { log, result } = await runner.toEnd(attempt);
  expect(result.exitClass).toBe('success');
  expect(log.match(/==> init/g)).toHaveLength(1);
});

test("the time limit and the log limit end a build as the package's fault", async () => {
  const endless = await runner.buildAttempt(await source('never-ends'), 'all', {
    timeoutS: TIME_LIMIT_S,
    slot: 4,
  });
  const noisy = await runner.buildAttempt(await source('endless-log'), 'all', {
    maxLogBytes: 65_536,
    slot: 5,
  });
  const [timedOut, cut] = await Promise.all([runner.toEnd(endless), runner.toEnd(noisy)]);
  expect(timedOut.result).toMatchObject({ exitClass: 'package', stage: 'build' });
  expect(timedOut.result.message).toContain(`longer than ${TIME_LIMIT_S} s`);
  expect(cut.result).toMatchObject({ exitClass: 'package', stage: 'build' });
  expect(cut.result.message).toContain('65536 bytes');
  expect(Buffer.byteLength(cut.log)).toBeLessThan(65_536 + 8_192);
});

test('wrong command lines and jobs are usage errors', async () => {
  const attempt = await runner.buildAttempt(await source('greeter-data'), 'all');
  const folder = runner.folder(attempt);
  await writeFile(path.join(folder, 'job.json'), '{"version": 2}');
  const cases = [
    [],
    ['start'],
    ['start', folder],
    ['start', '/'],
    ['remove', '/tmp'],
    ['follow', folder, 'x'],
    ['follow', folder, '0'],
  ];
  for (const args of cases) {
    const { code, stderr } = await runner.call(args);
    expect([args, code]).toEqual([args, 5]);
    expect(stderr.toString()).toMatch(/^runner: /);
  }
});

test.runIf(process.getuid?.() === 0)('root is refused', async () => {
  const { code, stderr } = await runner.call(['probe', runner.workdir], { asRoot: true });
  expect(code).toBe(5);
  expect(stderr.toString()).toContain('never runs as root');
});

test('probe tells what the host can do', async () => {
  const { code, stdout } = await runner.call(['probe', runner.workdir]);
  expect(code).toBe(0);
  const probe = probeSchema.parse(JSON.parse(stdout.toString()));
  expect(probe).toMatchObject({ userNamespaces: true, missingPackages: [] });
  expect(Math.abs(probe.clockMs - Date.now())).toBeLessThan(60_000);
});
