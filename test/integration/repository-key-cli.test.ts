/** `autobuilder key` beside a running service: a whole rotation typed as docs/signing.md says, seen in live. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../shared/process/run.ts';
import { waitFor } from '../support/wait.ts';
import { commandLine, type Ended } from './repository-command-line.ts';
import { openTestRepository } from './repository-support.ts';
import { signerProcesses } from './signer-processes.ts';

/** Some ten commands and twelve generations, on a machine that does other things too. */
const LONG_MS = 240_000;
const MAIN = new URL('../../services/repository/main.ts', import.meta.url).pathname;
const repository = await openTestRepository({
  repository: { rotation: { announceDays: 3, dualSignDays: 0 } },
});
let service: ChildProcess;
let address = '';

beforeAll(async () => {
  service = spawn(process.execPath, [MAIN], { env: repository.env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  service.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await waitFor('the service', () => said.includes('"msg":"repository ready"'));
  address = /"address":"(http[^"]+)"/.exec(said)?.[1] ?? '';
});
afterAll(async () => {
  service.kill('SIGKILL');
  await repository.dispose();
});

const key = (...args: string[]): Promise<Ended> => commandLine(repository, ['key', ...args]);

interface Listed {
  fingerprint: string;
  state: string;
  signs: boolean;
  expiresAt: string | null;
}

async function listed(): Promise<Listed[]> {
  return JSON.parse((await key('list', '--json')).out) as Listed[];
}

function daysLeft(each: Listed | undefined): number {
  return Math.round((Date.parse(each?.expiresAt ?? '') - Date.now()) / 86_400_000);
}

/** Who signed what clients get from live. */
async function signedBy(queue: string): Promise<string[]> {
  const file = path.join(repository.home.live, queue, 'dists/bookworm/InRelease');
  const keyring = path.join(repository.home.staging, 'archive-key.gpg');
  const { stdout } = await run(['gpgv', '--status-fd', '1', '--keyring', keyring, file]);
  return [...stdout.toString().matchAll(/VALIDSIG ([0-9A-F]{40})/g)].map((match) => match[1] ?? '');
}

async function untilSignedBy(wanted: string[]): Promise<void> {
  for (const queue of ['devel', 'testing', 'stable']) {
    await waitFor(`${queue} signed anew`, async () => (await signedBy(queue)).join() === wanted.join());
  }
}

/** The keyring package that live's index names. */
async function keyringVersions(): Promise<unknown[]> {
  const { rows } = await repository.pool.query<{ version: string }>(
    `select distinct source_version as version from published where source = 'autobuilder-archive-keyring'`,
  );
  return rows.map((row) => row.version);
}

test(
  'a rotation, step by step, each refused before its time and with what comes next',
  async () => {
    const [old] = await listed();
    expect(old).toMatchObject({ state: 'active', signs: true });
    const first = old?.fingerprint ?? '';
    await untilSignedBy([first]);
    expect((await key('status')).out).toContain(`signing with ${first}\n`);
    expect(await key('retire', first)).toMatchObject({
      code: 1,
      err: expect.stringContaining('the only one that signs') as string,
    });

    const made = await key('new');
    const second = /^made ([0-9A-F]{40})/.exec(made.out)?.[1] ?? '';
    const end = second.slice(-16);
    expect(made.out).toContain(`Next: autobuilder key announce ${end}\n`);
    expect((await listed()).map((each) => each.state)).toEqual(['active', 'new']);

    const announced = await key('announce', end.toLowerCase());
    expect(announced).toMatchObject({ code: 0, err: '' });
    expect(announced.out).toMatch(/Next, from \d{4}-\d\d-\d\d: autobuilder key activate/);
    const exported = await key('export');
    const published = path.join(repository.home.live, 'archive-key.asc');
    await waitFor('both keys in live', async () => (await readFile(published, 'utf8')) === exported.out);
    const { version } = JSON.parse((await key('status', '--json')).out) as { version: string };
    await waitFor('the keyring package', async () => (await keyringVersions()).join() === version);
    expect(await signedBy('stable')).toEqual([first]);

    expect(await key('activate', end)).toMatchObject({
      code: 1,
      err: expect.stringContaining('--force') as string,
    });
    expect((await key('activate', end, '--force', '--dry-run')).out).toContain('would be active');
    expect((await listed()).map((each) => each.state)).toEqual(['active', 'announced']);
    expect((await key('activate', end, '--force')).out).toContain('autobuilder key retire');
    await untilSignedBy([first, second]);

    const retired = await key('retire', first);
    expect(retired).toMatchObject({ code: 0, err: expect.stringContaining('NO_PUBKEY') as string });
    await untilSignedBy([second]);
    const health = await fetch(`${address}/healthz`);
    expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }]);
  },
  LONG_MS,
);

test('an end is moved, what was done stands in the audit log, mistakes are told', async () => {
  const active = (await listed()).find((each) => each.signs);
  const extended = await key('extend', active?.fingerprint ?? '', '--days', '3000');
  expect(extended.code).toBe(0);
  expect(daysLeft((await listed()).find((each) => each.signs))).toBe(3000);
  const audit = JSON.parse((await key('audit', '--limit', '200', '--json')).out) as Record<string, unknown>[];
  const changes = audit.map((each) => each['what']).filter((what) => what !== 'release');
  expect(changes).toEqual(['key-extended', 'key-retired', 'key-active', 'key-announced', 'key-created']);
  expect(audit.find((each) => each['what'] === 'release')).toMatchObject({
    requester: expect.stringContaining('services/repository/main.ts') as string,
    product: 'bookworm',
  });
  expect((await key('audit', '--limit', '1')).out.trim().split('\n')).toHaveLength(2);
  for (const [args, words] of [
    [['extend', '00000000'], "No key's fingerprint ends in 00000000"],
    [['extend', 'nonsense'], 'not a fingerprint'],
    [['extend', active?.fingerprint ?? '', '--days', '0'], '--days'],
    [['extend', active?.fingerprint ?? '', '--days', '30', '--dry-run'], 'which is later than'],
    [['announce', active?.fingerprint ?? ''], 'is active and cannot become announced'],
    [['export', 'FFFFFFFF'], 'is not the end'],
  ] as const) {
    expect(await key(...args)).toMatchObject({ code: 1, err: expect.stringContaining(words) as string });
  }
});

test('the signer ends with a service that is killed', async () => {
  const [signer] = await signerProcesses(service.pid);
  expect(signer).toBeGreaterThan(0);
  service.kill('SIGKILL');
  await waitFor('its end', async () => !(await signerProcesses()).includes(signer ?? 0));
  expect(await signerProcesses()).not.toContain(signer);
});
