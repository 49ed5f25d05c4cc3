/** Builds from lease to hand-over, over a real sshd and a real database; the runner is a stand-in. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDispatcher, type Dispatcher } from '../../services/garage/dispatch/dispatcher.ts';
import { MANIFEST, setManifest } from '../../shared/protocol/set.ts';
import { waitFor } from '../support/wait.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import {
  acceptSource,
  buildOf,
  fakeRunner,
  forgetWaiting,
  openLine,
  waitForStatus,
} from './dispatch-support.ts';
import type { Line } from './dispatch-support.ts';

let line: Line;
let dispatcher: Dispatcher;

beforeAll(async () => {
  line = await openLine({ maxGivenBack: 1 });
});
afterAll(() => line.dispose());
beforeEach(async () => {
  // What one test's runner did wrong quarantines no host of the next.
  await line.garage.pool.query('update hosts set machine_failures = 0');
  dispatcher = createDispatcher(line.garage, { runner: await fakeRunner() });
  if (!(await dispatcher.start())) throw new Error('another test dispatches still');
});
afterEach(() => dispatcher.stop());

interface Mail {
  subject: string;
  body: string;
  recipient: string;
}

async function mailsOf(source: string): Promise<Mail[]> {
  const { rows } = await line.garage.pool.query<Mail>(
    `select subject, body, recipient from mails where kind = 'result' and subject_key like $1 order by id`,
    [`${source}:%`],
  );
  return rows;
}

async function logOf(source: string): Promise<string> {
  const { attempts } = await buildOf(line.garage, source);
  return readFile(path.join(line.garage.home.root, attempts[0]!.directory, 'build.log'), 'utf8');
}

async function letEnd(...sources: string[]): Promise<void> {
  for (const source of sources) await writeFile(path.join(line.workdir, `open-${source}`), '');
}

function setFolder(attempt: string): string {
  return path.join(line.garage.home.repositoryIncoming, 'devel', 'bookworm', attempt);
}

test('a good build becomes a set, and everything of it is where it belongs', async () => {
  const { garage } = line;
  await letEnd('good');
  const source = await acceptSource(garage, 'good');
  await dispatcher.idle();
  const build = await buildOf(garage, source);
  expect(build).toMatchObject({ status: 'uploaded', fail_class: null, given_back: 0 });
  expect(build.attempts).toMatchObject([
    { exit_class: 'success', stage: 'done', directory: 'results/bookworm/good_1.0/amd64/1' },
  ]);
  const { id, directory } = build.attempts[0]!;

  const manifest = setManifest.parse(JSON.parse(await readFile(path.join(setFolder(id), MANIFEST), 'utf8')));
  expect(manifest).toMatchObject({
    id,
    queue: 'devel',
    architecture: 'amd64',
    dsc: 'good_1.0.dsc',
    provenance: { uploader: 'maker', buildId: Number(build.id), host: 'local' },
  });
  const names = ['good_1.0.dsc', 'good_1.0.tar.xz', 'good_1.0_amd64.deb'];
  expect(manifest.files.map((file) => file.name)).toEqual(names);
  expect((await readdir(setFolder(id))).sort()).toEqual([...names, MANIFEST].sort());
  for (const file of manifest.files) {
    const { size, sums } = await hashFile(path.join(setFolder(id), file.name), ['sha256']);
    expect({ size, sha256: sums['sha256'] }).toEqual({ size: file.size, sha256: file.sha256 });
  }

  const results = path.join(garage.home.root, directory);
  expect((await readdir(results)).sort()).toEqual([
    'build.log',
    'good_1.0_amd64.buildinfo',
    'good_1.0_amd64.changes',
    'result.json',
  ]);
  expect(await readFile(path.join(results, 'build.log'), 'utf8')).toMatch(/the end\n$/);
  expect(await readFile(path.join(line.workdir, 'removes'), 'utf8')).toContain(id);
});

test('handing over again makes no second set, also when the repository took the first', async () => {
  const { garage } = line;
  const source = await acceptSource(garage, 'good', '1.1');
  await dispatcher.idle();
  const build = await buildOf(garage, source);
  const { id } = build.attempts[0]!;
  // As if the process had been killed between the rename and the row, and the repository been quick.
  await garage.pool.query(`update builds set status = 'built' where id = $1`, [build.id]);
  await garage.pool.query(
    `insert into repository.sets (id, queue, product, source, source_version, architecture, status, manifest)
     values ($1, 'devel', 'bookworm', 'good', '1.1', 'amd64', 'incoming', '{}')`,
    [id],
  );
  await rm(setFolder(id), { recursive: true });
  await dispatcher.idle();
  expect((await buildOf(garage, source)).status).toBe('uploaded');
  expect(existsSync(setFolder(id))).toBe(false);
});

test("a package's failure is final, mailed once, with the end of the log", async () => {
  const { garage } = line;
  await letEnd('fails');
  const source = await acceptSource(garage, 'fails');
  await dispatcher.idle();
  const build = await buildOf(garage, source);
  expect(build).toMatchObject({
    status: 'attempted',
    fail_class: 'package',
    fail_reason: 'make: *** [all] Error 2',
    attempts: [{ exit_class: 'package', stage: 'build' }],
  });
  await dispatcher.round();
  await dispatcher.round();
  const mails = await mailsOf(source);
  expect(mails.map((mail) => mail.subject)).toEqual(['fails 1.0 FAILED to build on amd64']);
  expect(mails[0]).toMatchObject({ recipient: 'maker@example.org' });
  expect(mails[0]!.body).toContain('amd64: FAILED in stage build (package): make: *** [all] Error 2');
  expect(mails[0]!.body).toContain(`http://garage.example.org/builds/${build.id}`);
  expect(mails[0]!.body).toContain('  | the end');
});

test('what the repository says about a set becomes the build, and one mail', async () => {
  const { garage } = line;
  const [installed, refused] = [
    await acceptSource(garage, 'good', '1.2'),
    await acceptSource(garage, 'fine', '1.0'),
  ];
  await letEnd('fine');
  await dispatcher.idle();
  expect(await mailsOf(installed)).toEqual([]);
  for (const [source, status, reason] of [
    [installed, 'installed', null],
    [refused, 'quarantined', 'fine_1.0_amd64.deb has other contents'],
  ] as const) {
    const { id } = (await buildOf(garage, source)).attempts[0]!;
    await garage.pool.query(
      `insert into repository.sets
         (id, queue, product, source, source_version, architecture, status, reason, manifest)
       values ($1, 'devel', 'bookworm', 'x', '1', 'amd64', $2, $3, '{}')`,
      [id, status, reason],
    );
  }
  await dispatcher.idle();
  expect(await buildOf(garage, installed)).toMatchObject({ status: 'installed' });
  expect((await mailsOf(installed)).map((mail) => mail.subject)).toEqual([
    'Accepted good 1.2 (amd64) into devel',
  ]);
  expect(await buildOf(garage, refused)).toMatchObject({
    status: 'attempted',
    fail_class: 'repository',
    fail_reason: 'fine_1.0_amd64.deb has other contents',
  });
  expect((await mailsOf(refused)).map((mail) => mail.subject)).toEqual([
    'fine 1.0 REFUSED by devel on amd64',
  ]);
});

test('a missing dependency waits, is told once, and is tried once for each new generation', async () => {
  const { garage } = line;
  await letEnd('waits');
  const source = await acceptSource(garage, 'waits');
  await dispatcher.idle();
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({
    status: 'dep-wait',
    fail_reason: 'Waits for libnone-dev (>= 2)',
    attempts: [{ number: 1, exit_class: 'dep-wait' }],
  });
  await garage.pool.query(
    `insert into repository.generations (queue, product, number, status, cause, live_at)
     values ('devel', 'bookworm', 1, 'live', 'test', now())`,
  );
  await dispatcher.idle();
  await dispatcher.idle();
  const build = await buildOf(garage, source);
  expect(build.attempts.map((attempt) => attempt.number)).toEqual([1, 2]);
  expect((await mailsOf(source)).map((mail) => mail.subject)).toEqual([
    'waits 1.0 waits for dependencies on amd64',
  ]);
});

test("a machine's fault is given back, tried again later, and ends after the limit", async () => {
  const { garage } = line;
  await letEnd('breaks');
  const source = await acceptSource(garage, 'breaks');
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({
    status: 'given-back',
    given_back: 1,
    fail_class: 'machine',
    fail_reason: 'The disk is full',
  });
  await forgetWaiting(garage);
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({
    status: 'attempted',
    fail_class: 'machine',
    attempts: [{ number: 1 }, { number: 2 }],
  });
});

const LIES = [
  ['wrong-sum', 'does not have the promised sha256'],
  ['sends-link', 'is not a regular file'],
  ['missing-file', 'is not there'],
  ['bad-name', 'result.json is not what a runner writes'],
  ['other-version', "of version '99', not '1.0'"],
  ['other-architecture', "of architecture 'arm64'"],
  ['other-attempt', "another attempt's"],
] as const;

test.each(LIES)('a host that lies (%s) delivers nothing', async (name, reason) => {
  const { garage } = line;
  await letEnd(name);
  const source = await acceptSource(garage, name);
  await dispatcher.idle();
  const build = await buildOf(garage, source);
  expect(build).toMatchObject({ status: 'given-back', fail_class: 'machine' });
  expect(build.fail_reason).toContain(reason);
  const { id, directory } = build.attempts[0]!;
  expect(existsSync(setFolder(id))).toBe(false);
  expect(await readdir(path.join(garage.home.root, directory))).toEqual(['build.log']);
  await garage.pool.query(`update builds set status = 'cancelled' where id = $1`, [build.id]);
});

test('a newer version ends an older one that runs', async () => {
  const { garage } = line;
  const older = await acceptSource(garage, 'renewed', '1.0');
  await dispatcher.round();
  await waitFor('the older one to run', async () => (await logOf(older)).includes('line 20 '));
  const newer = await acceptSource(garage, 'renewed', '2.0');
  await waitFor('the older attempt to end', async () => {
    return (await buildOf(garage, older)).attempts[0]!.exit_class;
  });
  expect(await buildOf(garage, older)).toMatchObject({
    status: 'superseded',
    attempts: [{ exit_class: 'cancelled' }],
  });
  await letEnd('renewed');
  await dispatcher.idle();
  expect(await buildOf(garage, newer)).toMatchObject({ status: 'uploaded' });
  expect(await mailsOf(older)).toEqual([]);
});

test('slots are a limit, and the most urgent goes first', async () => {
  const { garage } = line;
  const sources = [];
  for (const name of ['first', 'second', 'third']) sources.push(await acceptSource(garage, name));
  await garage.pool.query('update builds set priority = 10 where source_id = $1', [sources[2]]);
  await dispatcher.round();
  const states = await Promise.all(sources.map(async (source) => (await buildOf(garage, source)).status));
  expect(states).toEqual(['building', 'needs-build', 'building']);
  await letEnd('first', 'second', 'third');
  await dispatcher.idle();
  for (const source of sources) expect((await buildOf(garage, source)).status).toBe('uploaded');
});

test('a host that lacks something gets no work and says why', async () => {
  const { garage } = line;
  await dispatcher.stop();
  const lacks = path.join(line.workdir, 'lacks');
  await writeFile(lacks, 'mmdebstrap uidmap');
  dispatcher = createDispatcher(garage, { runner: await fakeRunner() });
  await dispatcher.start();
  const source = await acceptSource(garage, 'good', '1.9');
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({ status: 'needs-build', attempts: [] });
  const { rows } = await garage.pool.query<{ last_error: string }>('select last_error from hosts');
  expect(rows[0]!.last_error).toBe('Debian packages are missing there: mmdebstrap uidmap');
  await rm(lacks);
  await waitForStatus(garage, dispatcher, source, 'uploaded');
});

test('a source that is gone from the disk is our fault, and said so', async () => {
  const { garage } = line;
  const source = await acceptSource(garage, 'vanished');
  await rm(path.join(garage.home.sources, 'bookworm/vanished'), { recursive: true });
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({
    status: 'attempted',
    fail_class: 'usage',
    fail_reason: "Source file 'vanished_1.0.dsc' is not there as it was accepted",
  });
});

test('only one process dispatches', async () => {
  const other = createDispatcher(line.garage, { runner: await fakeRunner() });
  expect(await other.start()).toBe(false);
  await dispatcher.stop();
  expect(await other.start()).toBe(true);
  await other.stop();
});

test('a source that is for nobody here has one row that says so, and a mail', async () => {
  const { garage } = line;
  const source = await acceptSource(garage, 'foreign', '1.0', ['s390x']);
  await dispatcher.idle();
  expect(await buildOf(garage, source)).toMatchObject({ status: 'not-for-us', attempts: [] });
  expect((await mailsOf(source)).map((mail) => mail.subject)).toEqual([
    'foreign 1.0 is not for any architecture of bookworm',
  ]);
});
