/** Checks from plan to verdict, over a real sshd and a real database; the runner is a stand-in. */
import { existsSync } from 'node:fs';
import { readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { retryCheck } from '../../services/garage/checks/retry.ts';
import { createDispatcher, type Dispatcher } from '../../services/garage/dispatch/dispatcher.ts';
import { waitFor } from '../support/wait.ts';
import { acceptSource, buildOf, fakeRunner, openLine, waitForStatus, type Line } from './dispatch-support.ts';

/** A busy machine takes many times the second or two that each needs. */
vi.setConfig({ testTimeout: 60_000 });

let line: Line;
let dispatcher: Dispatcher;

const PRODUCTS = {
  bookworm: {
    architectures: ['amd64'],
    sources: [{ uris: ['http://archive.example.org/debian'], suites: ['bookworm'], components: ['main'] }],
    checks: { install: 'blocking', lintian: 'informative', piuparts: 'blocking' },
  },
};

beforeAll(async () => {
  line = await openLine({ maxGivenBack: 1 }, 1, { products: PRODUCTS });
});
afterAll(() => line.dispose());
beforeEach(() => startDispatcher());
afterEach(() => dispatcher.stop());

async function startDispatcher(): Promise<void> {
  dispatcher = createDispatcher(line.garage, { runner: await fakeRunner() });
  if (!(await dispatcher.start())) throw new Error('another test dispatches still');
}

interface Check {
  id: string;
  name: string;
  status: string;
  message: string | null;
  job_id: string;
  slot: number | null;
  log: string;
}

/** By name. */
async function checksOf(source: string): Promise<Record<string, Check>> {
  const { rows } = await line.garage.pool.query<Check>(
    `select c.* from checks c join builds b on b.id = c.build_id where b.source_id = $1`,
    [source],
  );
  return Object.fromEntries(rows.map((row) => [row.name, row]));
}

async function checkOf(source: string, name: string): Promise<Check> {
  const check = (await checksOf(source))[name];
  if (!check) throw new Error(`no check ${name}`);
  return check;
}

/** Lets the build end, or the named checks; `result` is what the stand-in says of them. */
async function letEnd(source: string, checks?: string[], result: unknown = null): Promise<void> {
  for (const what of checks?.map((check) => `${source}-${check}`) ?? [source]) {
    const open = path.join(line.workdir, `open-${what}`);
    // The stand-in must not see it half written.
    await writeFile(`${open}.new`, result === null ? '' : JSON.stringify(result));
    await rename(`${open}.new`, open);
  }
}

const fails = (message: string): object => ({
  ...{ exitClass: 'package', message },
  check: { note: message, lines: ['one line', 'another'] },
});

async function waitForCheck(source: string, name: string, status: string): Promise<Check> {
  return waitFor(`check ${name} to be ${status}`, async () => {
    await dispatcher.round();
    const check = await checkOf(source, name);
    if (check.status === status) return check;
    throw new Error(`it is ${check.status} (${check.message ?? ''})`);
  });
}

async function namesBeside(source: string): Promise<string[]> {
  const { attempts } = await buildOf(line.garage, source);
  return (await readdir(path.join(line.garage.home.root, attempts.at(-1)!.directory))).sort();
}

async function forgetWaiting(): Promise<void> {
  await line.garage.pool.query('update checks set not_before = now()');
}

async function resultsFor(source: string): Promise<unknown[]> {
  const { rows } = await line.garage.pool.query<Record<string, unknown>>(
    `select name, blocking, verdict, message from check_results where source = $1 order by name`,
    [source],
  );
  return rows;
}

test('nothing is handed over before the blocking checks have passed; the informative one comes after', async () => {
  const { garage } = line;
  await letEnd('sound');
  const source = await acceptSource(garage, 'sound');
  await waitForCheck(source, 'install', 'running');
  const build = await buildOf(garage, source);
  expect(build).toMatchObject({ status: 'built' });
  expect(await checksOf(source)).toMatchObject({
    piuparts: { status: 'waiting' },
    lintian: { status: 'waiting' },
  });
  const set = path.join(garage.home.repositoryIncoming, 'devel', 'bookworm', build.attempts[0]!.id);
  expect(existsSync(set)).toBe(false);

  await letEnd('sound', ['install', 'piuparts']);
  await waitForStatus(garage, dispatcher, source, 'uploaded');
  expect(await readdir(set)).toContain('sound_1.0_amd64.deb');
  expect(await namesBeside(source)).toContain('sound_1.0_amd64.deb'); // lintian needs it still
  await letEnd('sound', ['lintian'], fails('Lintian found 1 errors'));
  await dispatcher.idle();
  expect((await buildOf(garage, source)).status).toBe('uploaded');
  expect(await resultsFor('sound')).toEqual([
    { name: 'install', blocking: true, verdict: 'passed', message: 'It is well' },
    { name: 'lintian', blocking: false, verdict: 'failed', message: 'Lintian found 1 errors' },
    { name: 'piuparts', blocking: true, verdict: 'passed', message: 'It is well' },
  ]);
  const { log } = await checkOf(source, 'install');
  expect(log).toBe('results/bookworm/sound_1.0/amd64/1/checks/install.log');
  expect(await readFile(path.join(garage.home.root, log), 'utf8')).toMatch(/the end\n$/);
});

test('packages are kept while a check needs them, and some days after one failed', async () => {
  const { garage } = line;
  await letEnd('kept');
  await letEnd('kept', ['install', 'piuparts', 'lintian']);
  const source = await acceptSource(garage, 'kept');
  await waitForStatus(garage, dispatcher, source, 'uploaded');
  await dispatcher.idle();
  await dispatcher.round();
  expect(await namesBeside(source)).toEqual([
    ...['build.log', 'checks', 'kept_1.0_amd64.buildinfo', 'kept_1.0_amd64.changes', 'result.json'],
  ]);
  const { id } = await checkOf(source, 'lintian');
  await expect(retryCheck(garage, id)).rejects.toMatchObject({ code: 'check-not-retried' });
});

test('a failed blocking check ends the build, with its reason; tried again it can be published', async () => {
  const { garage } = line;
  await letEnd('unfit');
  await letEnd('unfit', ['install'], fails('Does not install: unfit: no'));
  const source = await acceptSource(garage, 'unfit');
  await waitForStatus(garage, dispatcher, source, 'attempted');
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({
    fail_class: 'check',
    fail_reason: 'Check install: Does not install: unfit: no',
  });
  expect(await checksOf(source)).toMatchObject({
    install: { status: 'failed', report: ['one line', 'another'] },
    piuparts: { status: 'cancelled' },
    lintian: { status: 'cancelled' },
  });
  const { rows } = await garage.pool.query<{ subject: string }>(
    `select subject from mails where kind = 'result' and subject_key like $1`,
    [`${source}:%`],
  );
  expect(rows).toEqual([{ subject: 'unfit 1.0 FAILED its checks on amd64' }]);
  expect(await namesBeside(source)).toContain('unfit_1.0_amd64.deb');

  await letEnd('unfit', ['install', 'piuparts', 'lintian']);
  await retryCheck(garage, (await checkOf(source, 'install')).id);
  await waitForStatus(garage, dispatcher, source, 'uploaded');
  const { log } = await checkOf(source, 'install');
  expect(existsSync(path.join(garage.home.root, `${log}.1`))).toBe(true);
  expect(await checksOf(source)).toMatchObject({
    install: { status: 'passed' },
    piuparts: { status: 'passed' },
  });
});

test("a machine's fault is tried again, and says nothing about the package when it stays", async () => {
  const { garage } = line;
  await letEnd('unlucky');
  await letEnd('unlucky', ['piuparts', 'lintian']);
  await letEnd('unlucky', ['install'], { exitClass: 'machine', message: 'The disk is full' });
  const source = await acceptSource(garage, 'unlucky');
  await waitFor('the check to be given back', async () => {
    await dispatcher.round();
    return (await checkOf(source, 'install').catch(() => null))?.message === 'The disk is full';
  });
  expect(await checkOf(source, 'install')).toMatchObject({ status: 'waiting', given_back: 1 });
  await forgetWaiting();
  await waitForStatus(garage, dispatcher, source, 'attempted');
  expect(await checkOf(source, 'install')).toMatchObject({ status: 'error' });
  expect(await buildOf(garage, source)).toMatchObject({
    fail_class: 'machine',
    fail_reason: 'Check install could not be carried out: The disk is full',
  });
  expect(await resultsFor('unlucky')).toContainEqual(
    expect.objectContaining({ name: 'install', verdict: 'error' }),
  );
});

test('a dispatcher that comes back goes on with the check that runs, and starts no second one', async () => {
  const { garage } = line;
  await letEnd('resumed');
  await letEnd('resumed', ['piuparts', 'lintian']);
  const source = await acceptSource(garage, 'resumed');
  const { job_id: job } = await waitForCheck(source, 'install', 'running');
  const log = path.join(garage.home.root, (await checkOf(source, 'install')).log);
  const seen = async (): Promise<string> => readFile(log, 'utf8').catch(() => '');
  await waitFor('the log to come', async () => (await seen()).includes('line 10 '));
  await dispatcher.stop();
  await line.builder.breakConnections();
  await startDispatcher();
  await dispatcher.round();
  await letEnd('resumed', ['install']);
  await waitForStatus(garage, dispatcher, source, 'uploaded');
  expect(await checkOf(source, 'install')).toMatchObject({ status: 'passed', job_id: job });
  const starts = await readFile(path.join(line.workdir, 'starts'), 'utf8');
  expect(starts.split('\n').filter((id) => id === job)).toHaveLength(1);
  const lines = (await seen()).trimEnd().split('\n');
  expect(lines.slice(0, -1)).toEqual(
    lines.slice(0, -1).map((_, index) => `line ${String(index + 1)} of resumed-install`),
  );
});

test('a host that was lost gives the check back, and its late result is not taken', async () => {
  const { garage } = line;
  await letEnd('lost');
  await letEnd('lost', ['piuparts', 'lintian']);
  const source = await acceptSource(garage, 'lost');
  const { job_id: first } = await waitForCheck(source, 'install', 'running');
  // As another dispatcher would do once the lease is over.
  await garage.pool.query(
    `update checks set status = 'waiting', given_back = 1, not_before = now() where job_id = $1`,
    [first],
  );
  await waitFor('another try', async () => {
    await dispatcher.round();
    const check = await checkOf(source, 'install');
    return check.status === 'running' && check.job_id !== first;
  });
  await letEnd('lost', ['install']);
  await waitForStatus(garage, dispatcher, source, 'uploaded');
  expect(await checkOf(source, 'install')).toMatchObject({ status: 'passed', given_back: 1 });
});

test('checks take no slot of builds, and what informs holds up nothing', async () => {
  const { garage } = line;
  await letEnd('slow');
  await letEnd('slow', ['install', 'piuparts']);
  const slow = await acceptSource(garage, 'slow');
  const informative = await waitForCheck(slow, 'lintian', 'running');
  expect(informative.slot).toBeGreaterThanOrEqual(2000);
  await letEnd('quick', ['install', 'piuparts', 'lintian']);
  const quick = await acceptSource(garage, 'quick');
  const busy = await acceptSource(garage, 'busy');
  await waitForStatus(garage, dispatcher, quick, 'building'); // the host's only slot
  await letEnd('quick');
  await waitForStatus(garage, dispatcher, quick, 'uploaded');
  await waitForStatus(garage, dispatcher, busy, 'building');
  expect(await checkOf(slow, 'lintian')).toMatchObject({ status: 'running' });
  await letEnd('slow', ['lintian']);
  await letEnd('busy');
  await letEnd('busy', ['install', 'piuparts', 'lintian']);
  await waitForStatus(garage, dispatcher, busy, 'uploaded');
  await dispatcher.idle();
});

test('a dependency that may still come is waited for; one that cannot come fails', async () => {
  const { garage } = line;
  const unmet = { exitClass: 'dep-wait', message: 'Does not install: libnew', missing: ['libnew'] };
  await letEnd('libnew');
  await letEnd('libnew', ['install', 'piuparts', 'lintian']);
  const other = await acceptSource(garage, 'libnew');
  await waitForStatus(garage, dispatcher, other, 'uploaded'); // not yet published
  await letEnd('needs');
  await letEnd('needs', ['piuparts', 'lintian']);
  await letEnd('needs', ['install'], unmet);
  const source = await acceptSource(garage, 'needs');
  await waitFor('the check to wait', async () => {
    await dispatcher.round();
    return (await checkOf(source, 'install').catch(() => null))?.message === unmet.message;
  });
  expect(await checkOf(source, 'install')).toMatchObject({ status: 'waiting', unmet: 1 });
  expect(await buildOf(garage, source)).toMatchObject({ status: 'built' });
  await garage.pool.query(`update builds set status = 'installed' where source_id <> $1`, [source]);
  await forgetWaiting();
  await waitForStatus(garage, dispatcher, source, 'attempted');
  expect(await buildOf(garage, source)).toMatchObject({ fail_class: 'check' });
});

test('a cancelled build ends its check on the host', async () => {
  const { garage } = line;
  await letEnd('unwanted');
  const source = await acceptSource(garage, 'unwanted');
  const { job_id: job } = await waitForCheck(source, 'install', 'running');
  await garage.pool.query(`update builds set status = 'cancelled' where source_id = $1`, [source]);
  await waitForCheck(source, 'install', 'cancelled');
  await waitFor('the host to be clean', async () =>
    (await readFile(path.join(line.workdir, 'removes'), 'utf8')).includes(job),
  );
  expect(await checksOf(source)).toMatchObject({ piuparts: { status: 'cancelled' } });
});

test('packages that are gone are our fault, and said so', async () => {
  const { garage } = line;
  await letEnd('robbed');
  const source = await acceptSource(garage, 'robbed');
  const { log } = await waitForCheck(source, 'install', 'running');
  // It has its packages by then.
  await waitFor('the check to begin', () => existsSync(path.join(garage.home.root, log)));
  const { directory } = (await buildOf(garage, source)).attempts[0]!;
  await rm(path.join(garage.home.root, directory, 'robbed_1.0_amd64.deb'));
  await letEnd('robbed', ['install']);
  await waitForStatus(garage, dispatcher, source, 'attempted');
  expect(await checkOf(source, 'piuparts')).toMatchObject({ status: 'error' });
  expect((await buildOf(garage, source)).fail_reason).toContain(
    "'robbed_1.0_amd64.deb' is not kept any more",
  );
});
