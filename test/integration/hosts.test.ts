/** What is tested about a host, and what becomes of hosts that fail; on hosts of their own, without a real build. */
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  createDispatcher,
  garageKeyFile,
  type Dispatcher,
} from '../../services/garage/dispatch/dispatcher.ts';
import {
  requireHost,
  addHost,
  drainHost,
  removeHost,
  resumeHost,
} from '../../services/garage/hosts/manage.ts';
import { hostItem } from '../../services/garage/hosts/list.ts';
import { QUARANTINE_AFTER } from '../../services/garage/hosts/quarantine.ts';
import { testHost } from '../../services/garage/hosts/test-host.ts';
import type { HostCheck } from '../../services/garage/hosts/report.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import { openTestGarage, type TestGarage } from '../support/garage.ts';
import { makeNamespaceHosts, type NamespaceHost, type NamespaceHosts } from '../support/namespaces.ts';
import { waitFor } from '../support/wait.ts';
import {
  acceptSource,
  buildOf,
  fakeRunner,
  serveLive,
  waitForStatus,
  type Live,
} from './dispatch-support.ts';

let garage: TestGarage;
let live: Live;
let set: NamespaceHosts;
let broken: NamespaceHosts;
let programs: string;
let dispatcher: Dispatcher;
const [one, two] = [() => set.hosts[0]!, () => set.hosts[1]!];

/** A host on which every program is missing but these few. */
async function makeBareHost(publicKey: string): Promise<void> {
  programs = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-programs-'));
  await chmod(programs, 0o755);
  for (const name of ['id', 'mkdir', 'grep']) await symlink(`/usr/bin/${name}`, path.join(programs, name));
  broken = await makeNamespaceHosts(1, { authorizedKey: publicKey, environment: { PATH: programs } });
}

beforeAll(async () => {
  live = await serveLive();
  garage = await openTestGarage({
    garage: { repositoryUrl: live.url, url: 'http://garage.example.org', build: { maxGivenBack: 9 } },
  });
  const { publicKey } = await ensureKeyPair(garageKeyFile(garage), 'test');
  set = await makeNamespaceHosts(2, { authorizedKey: publicKey });
  await makeBareHost(publicKey);
  for (const host of [...set.hosts, ...broken.hosts.map((each) => Object.assign(each, { name: 'bare' }))]) {
    await add(host);
  }
  await garage.pool.query(
    `insert into accounts (login, email, admin) values ('admin', 'admin@example.org', true)`,
  );
});
afterAll(async () => {
  await set?.dispose();
  await broken?.dispose();
  await live?.close();
  await garage?.dispose();
  await rm(programs, { recursive: true, force: true });
});
beforeEach(async () => {
  await garage.pool.query(`update hosts set status = 'draining', machine_failures = 0, last_error = null`);
  dispatcher = createDispatcher(garage, { runner: await fakeRunner() });
  if (!(await dispatcher.start())) throw new Error('another test dispatches still');
});
afterEach(() => dispatcher.stop());

function add({ name, address, port, username, hostKey, workdir }: NamespaceHost): Promise<unknown> {
  const limits = { minFreeBytes: 1, maxBuildS: null };
  return addHost(garage, {
    ...{ name, address, port, username, hostKey, workdir, slots: 2, architectures: ['amd64'], features: [] },
    ...limits,
  });
}

async function letEnd(host: NamespaceHost, ...names: string[]): Promise<void> {
  for (const name of names) await writeFile(path.join(host.workdir, `open-${name}`), '');
}

async function mails(kind: string): Promise<string[]> {
  const { rows } = await garage.pool.query<{ text: string }>(
    `select recipient || ': ' || subject || ': ' || body as text from mails where kind = $1 order by id`,
    [kind],
  );
  return rows.map(({ text }) => text);
}

async function statusOf(host: NamespaceHost): Promise<string> {
  return (await hostItem(garage.pool, host.name)).status;
}

async function findings(name: string): Promise<Record<string, HostCheck>> {
  const report = await testHost(garage, await requireHost(garage.pool, name), { bundle: await fakeRunner() });
  return Object.fromEntries(report.checks.map((check) => [check.name, check]));
}

test('a host that is well passes, down to the trial build', async () => {
  await letEnd(one(), 'autobuilder-trial');
  const report = await testHost(garage, await requireHost(garage.pool, one().name), {
    bundle: await fakeRunner(),
  });
  expect(report.checks.map(({ name, state }) => `${name}: ${state}`)).toEqual([
    ...['connection', 'login', 'nodejs', 'work folder', 'tools', 'namespaces', 'overlay'].map(
      (n) => `${n}: passed`,
    ),
    ...['disk: passed', 'clock: passed', 'architecture amd64: passed', 'trial build amd64: passed'],
  ]);
  expect(report.passed).toBe(true);
});

test('what is missing is named with the command that installs it', async () => {
  expect(await findings('bare')).toMatchObject({
    login: { state: 'passed' },
    nodejs: { state: 'failed', fix: 'apt-get install --no-install-recommends nodejs' },
    'trial build amd64': { state: 'skipped' },
  });
  const probe = {
    ...{ version: 1, nodejs: '18.0.0', kernel: '6.1', architecture: 'arm64', userNamespaces: false },
    ...{ overlay: false, missingPackages: ['mmdebstrap', 'uidmap'], freeBytes: 0 },
    clockMs: Date.now() - 86_400_000,
  };
  const script = `#!/bin/sh\nif [ "$1" = --version ]; then echo v18.0.0; else echo '${JSON.stringify(probe)}'; fi\n`;
  await writeFile(path.join(programs, 'nodejs'), script, { mode: 0o755 });
  const found = await findings('bare');
  expect(found).toMatchObject({
    nodejs: { state: 'passed', says: 'v18.0.0' },
    tools: { state: 'failed', fix: 'apt-get install --no-install-recommends mmdebstrap uidmap' },
    namespaces: { state: 'failed' },
    overlay: { state: 'warning' },
    disk: { state: 'failed', says: expect.stringContaining('0.0 GB are free') },
    clock: { state: 'failed', says: expect.stringMatching(/^864\d\d s behind ours/) },
    'architecture amd64': { state: 'failed', fix: 'apt-get install --no-install-recommends arch-test' },
    'trial build amd64': { state: 'skipped' },
  });
  expect(found['clock']?.fix).toContain('timedatectl set-ntp true');
});

test('a host that lets garage in no more, or shows another key, says what to do', async () => {
  const { publicKey } = await ensureKeyPair(garageKeyFile(garage), 'test');
  await one().authorize('');
  const [refused] = Object.values(await findings(one().name));
  await one().authorize(publicKey);
  expect(refused).toMatchObject({ name: 'connection', state: 'failed' });
  expect(refused?.fix).toContain(`echo 'restrict ${publicKey}' >> ~${one().username}/.ssh/authorized_keys`);
  await garage.pool.query('update hosts set host_key = $1 where name = $2', [two().hostKey, one().name]);
  const [strange] = Object.values(await findings(one().name));
  await garage.pool.query('update hosts set host_key = $1 where name = $2', [one().hostKey, one().name]);
  expect(strange).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('another host key'),
    fix: expect.stringContaining(`autobuilder host set ${one().name} --new-key`),
  });
});

test('a host that fails again and again is quarantined, told, tested, and back once it passes', async () => {
  await resumeHost(garage, one().name);
  await letEnd(one(), 'breaks', 'autobuilder-trial');
  const source = await acceptSource(garage, 'breaks');
  for (let fault = 1; fault <= QUARANTINE_AFTER; fault += 1) {
    await garage.pool.query('update builds set not_before = now()');
    await waitFor(`fault ${String(fault)}`, async () => {
      await dispatcher.round();
      return (await buildOf(garage, source)).given_back === fault;
    });
  }
  expect(await hostItem(garage.pool, one().name)).toMatchObject({
    status: 'quarantined',
    statusReason: '3 builds in a row failed by its fault; the last: The disk is full',
  });
  expect(await mails('host-quarantined')).toEqual([
    expect.stringMatching(/^admin@example.org: Builder host host1 is quarantined: .*The disk is full/s),
  ]);
  await garage.pool.query('update builds set not_before = now()');
  await dispatcher.idle();
  expect((await buildOf(garage, source)).attempts).toHaveLength(QUARANTINE_AFTER);

  const isDue = 'update hosts set next_test_at = now() where name = $1';
  await writeFile(path.join(one().workdir, 'lacks'), 'uidmap');
  await garage.pool.query(isDue, [one().name]);
  await dispatcher.idle();
  const failed = await hostItem(garage.pool, one().name);
  expect(failed).toMatchObject({ status: 'quarantined', test: { passed: false } });
  expect(failed.nextTestAt!.getTime()).toBeGreaterThan(Date.now() + 200_000); // longer than the first wait
  await rm(path.join(one().workdir, 'lacks'));
  await drainHost(garage, two().name);
  await garage.pool.query(`update builds set status = 'cancelled' where source_id = $1`, [source]);
  await garage.pool.query(isDue, [one().name]);
  await dispatcher.idle();
  expect(await hostItem(garage.pool, one().name)).toMatchObject({
    ...{ status: 'active', statusReason: null, machineFailures: 0, nextTestAt: null, test: { passed: true } },
  });
  expect(await mails('host-returned')).toEqual([expect.stringContaining('Builder host host1 is back')]);
});

test('a success between faults, or a package that fails, breaks the row', async () => {
  await resumeHost(garage, one().name);
  await letEnd(one(), 'breaks', 'fails');
  for (const [version, name] of [
    ['2', 'breaks'],
    ['2', 'fails'],
    ['3', 'breaks'],
  ] as const) {
    const source = await acceptSource(garage, name, version);
    await waitForStatus(garage, dispatcher, source, name === 'breaks' ? 'given-back' : 'attempted');
  }
  expect(await hostItem(garage.pool, one().name)).toMatchObject({ status: 'active', machineFailures: 1 });
});

test('a drained host finishes what runs; a removed one is refused until then, or gives its builds back', async () => {
  await garage.pool.query(`update builds set status = 'cancelled' where status = 'given-back'`);
  await resumeHost(garage, one().name);
  const first = await acceptSource(garage, 'first');
  await waitForStatus(garage, dispatcher, first, 'building');
  await drainHost(garage, one().name, 'new disk');
  const second = await acceptSource(garage, 'second');
  await dispatcher.round();
  expect((await buildOf(garage, second)).status).toBe('needs-build');
  await expect(removeHost(garage, one().name)).rejects.toThrow('has 1 builds running');
  await letEnd(one(), 'first');
  await waitForStatus(garage, dispatcher, first, 'uploaded');
  expect(await hostItem(garage.pool, one().name)).toMatchObject({ busy: 0, statusReason: 'new disk' });

  await resumeHost(garage, one().name);
  await waitForStatus(garage, dispatcher, second, 'building');
  await removeHost(garage, one().name, true);
  expect(await buildOf(garage, second)).toMatchObject({
    ...{ status: 'given-back', fail_reason: "Host 'host1' was removed" },
  });
  await expect(resumeHost(garage, one().name)).rejects.toThrow('is removed');
  await letEnd(two(), 'second');
  await resumeHost(garage, two().name);
  await garage.pool.query('update builds set not_before = now()');
  await waitForStatus(garage, dispatcher, second, 'uploaded');
  await expect(add(two())).rejects.toThrow("There is a builder host 'host2' already");
  await add(one());
  expect(await statusOf(one())).toBe('draining');
});

test('old runners go, those that are used stay', async () => {
  const folder = two().workdir;
  const [old, recent] = ['a', 'b'].map((digit) => `runner-${digit.repeat(64)}.mjs`) as [string, string];
  await mkdir(folder, { recursive: true });
  for (const name of [old, recent, 'notes.mjs']) await writeFile(path.join(folder, name), '');
  const monthAgo = new Date(Date.now() - 30 * 86_400_000);
  for (const name of [old, 'notes.mjs']) await utimes(path.join(folder, name), monthAgo, monthAgo);
  await resumeHost(garage, two().name);
  await letEnd(two(), 'tidy');
  await waitForStatus(garage, dispatcher, await acceptSource(garage, 'tidy'), 'uploaded');
  const names = await readdir(folder);
  expect(names).not.toContain(old);
  expect(names).toEqual(
    expect.arrayContaining([recent, 'notes.mjs', `runner-${(await fakeRunner()).sha256}.mjs`]),
  );
});

test('a host whose disk is nearly full gets no build, and says so', async () => {
  await resumeHost(garage, two().name);
  await garage.pool.query(`update hosts set min_free_bytes = 2000000000 where name = $1`, [two().name]);
  const source = await acceptSource(garage, 'large');
  await waitFor('it to say so', async () => {
    await dispatcher.round();
    return (await hostItem(garage.pool, two().name)).lastError?.includes('bytes are free');
  });
  expect((await buildOf(garage, source)).status).toBe('needs-build');
});
