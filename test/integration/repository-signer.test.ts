/** The signing process, really as one: what it signs, what it refuses, what it may reach, and what when it dies. */
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLogger } from '../../shared/log/logger.ts';
import { homeFolders } from '../../shared/config/home.ts';
import { readPrivateKey } from 'openpgp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generateArchiveKey } from '../../shared/openpgp/keys.ts';
import { run } from '../../shared/process/run.ts';
import { GnupgHome } from '../../shared/openpgp/gnupg-home.fixture.ts';
import { keySettings } from '../../services/repository/signing/archive-key.ts';
import { createSignerClient } from '../../services/repository/signing/client.ts';
import { repositorySection } from '../../services/repository/config.ts';
import type { Signer } from '../../services/repository/signing/signer.ts';
import type { z } from 'zod';
import { waitFor } from '../support/wait.ts';
import { signerProcesses } from './signer-processes.ts';

const RELEASE = 'Origin: Test\nCodename: bookworm\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n';
const AT = { queue: 'devel', product: 'bookworm', generation: 7 };

const log = createLogger('test');
log.level = process.env['LOG_LEVEL'] ?? 'silent';
let root: string;
let keys: string;
let signers: Signer[] = [];

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-signer-'));
  keys = path.join(root, 'repository/keys');
});
afterEach(async () => {
  for (const signer of signers) await signer.close();
  signers = [];
  await rm(root, { recursive: true, force: true });
});

function open(config: z.input<typeof repositorySection> = {}): Signer {
  const parsed = repositorySection.parse({ rotation: { announceDays: 0, dualSignDays: 0 }, ...config });
  const signer = createSignerClient({
    signer:
      parsed.signerSocket === undefined
        ? { settings: keySettings(homeFolders(root), 'Test', parsed) }
        : { socket: parsed.signerSocket },
    ...{ requester: 'a test', log },
  });
  signers.push(signer);
  return signer;
}

/** Makes a second key that signs beside the first. */
async function addKey(signer: Signer): Promise<string> {
  const { fingerprint } = await signer.ask('create', {});
  for (const to of ['announced', 'active'] as const) {
    await signer.ask('change', { key: fingerprint, to, force: false, dryRun: false });
  }
  await signer.refresh();
  return fingerprint;
}

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const file = path.join(root, name);
  await writeFile(file, content);
  return file;
}

test('two keys sign both files; gpgv and sqv accept them with either key alone, and with no other', async () => {
  const signer = open();
  await signer.refresh();
  const second = await addKey(signer);
  const { signing } = signer.keyring;
  expect(signing).toHaveLength(2);
  expect(signing[1]).toBe(second);
  const signed = await signer.sign({ text: RELEASE, ...AT });
  const inRelease = await write('InRelease', signed.inRelease);
  const detached = [await write('Release.gpg', signed.detached), await write('Release', RELEASE)];
  for (const key of signer.keyring.keys) {
    const armored = await write('one.asc', key.publicArmored);
    const ring = path.join(root, 'one.gpg');
    await run(['gpg', '--batch', '--yes', '--dearmor', '--output', ring, armored]);
    for (const files of [[inRelease], detached]) {
      const gpgv = await run(['gpgv', '--status-fd', '1', '--keyring', ring, ...files]);
      expect(gpgv.stdout.toString()).toContain(`VALIDSIG ${key.fingerprint}`);
    }
    const sqv = await run(['sqv', '--keyring', armored, ...detached]);
    expect([sqv.code, sqv.stdout.toString().trim()]).toEqual([0, key.fingerprint]);
  }
  const stranger = await generateArchiveKey({ name: 'No', email: 'no@example.org', now: new Date() });
  const ring = await write('other.gpg', stranger.binaryPublic);
  expect((await run(['gpgv', '--keyring', ring, inRelease])).code).not.toBe(0);
  const text = await run([
    'gpgv',
    '--output',
    '-',
    '--keyring',
    await write('all.gpg', signer.publicKey.binary),
    inRelease,
  ]);
  expect(text.stdout.toString()).toBe(RELEASE);
});

test('the passphrase is made beside the keys; neither the key file nor the audit log holds a key in the clear', async () => {
  const signer = open();
  await signer.refresh();
  const armored = await readFile(path.join(keys, 'archive-private.asc'), 'utf8');
  expect((await readPrivateKey({ armoredKey: armored })).isDecrypted()).toBe(false);
  const modes = await Promise.all(
    [keys, path.join(keys, 'archive-private.asc'), path.join(root, 'repository/passphrase/archive-key')].map(
      async (file) => (await stat(file)).mode & 0o777,
    ),
  );
  expect(modes).toEqual([0o700, 0o600, 0o600]);
  // A folder above stays for everyone to enter: live may be below.
  expect((await stat(path.join(root, 'repository'))).mode & 0o777).toBe(0o755);
});

test('a key that lies there unencrypted is taken over: the same key, encrypted, still signing', async () => {
  const old = await generateArchiveKey({ name: 'Old', email: 'old@example.org', now: new Date() });
  await mkdir(keys, { recursive: true });
  await writeFile(path.join(keys, 'archive-private.asc'), old.armoredPrivate, { mode: 0o600 });
  const signer = open();
  const view = await signer.refresh();
  expect(view.signing).toEqual([old.fingerprint]);
  expect(view.keys[0]).toMatchObject({ state: 'active', expiresAt: null, problem: null });
  const armored = await readFile(path.join(keys, 'archive-private.asc'), 'utf8');
  expect((await readPrivateKey({ armoredKey: armored })).isDecrypted()).toBe(false);
  const { inRelease } = await signer.sign({ text: RELEASE, ...AT });
  const ring = await write('old.gpg', old.binaryPublic);
  expect((await run(['gpgv', '--keyring', ring, await write('InRelease', inRelease)])).code).toBe(0);
});

describe('a passphrase', () => {
  test('that does not open the keys: the key has a problem, signing says what to do', async () => {
    const first = open();
    await first.refresh();
    await first.close();
    const file = await write('wrong', 'not it\n');
    const signer = open({ keyPassphraseFile: file });
    await run(['chmod', '600', file]);
    const view = await signer.refresh();
    expect(view.keys[0]?.problem).toContain('passphrase does not open');
    await expect(signer.sign({ text: RELEASE, ...AT })).rejects.toMatchObject({ code: 'signing-key-locked' });
    expect(signer.trouble).toMatchObject({ code: 'signing-key-locked' });
  });

  test('of a file that is not there: the signer does not start, and says which', async () => {
    const file = path.join(root, 'nowhere');
    await expect(open({ keyPassphraseFile: file }).refresh()).rejects.toMatchObject({
      code: 'key-passphrase-missing',
      message: expect.stringContaining(file) as string,
    });
  });
});

test('the process has no network, no secrets in its environment or arguments, and reads nothing but keys', async () => {
  process.env['DATABASE_URL'] = 'postgresql://secret';
  try {
    await open().refresh();
  } finally {
    delete process.env['DATABASE_URL'];
  }
  const [pid] = await signerProcesses(process.pid);
  const environment = await readFile(`/proc/${String(pid)}/environ`, 'utf8');
  expect(
    environment
      .split('\0')
      .map((each) => each.split('=')[0])
      .filter((each) => !['LANG', 'LOG_LEVEL', 'PATH', ''].includes(each ?? '')),
  ).toEqual([]);
  const command = (await readFile(`/proc/${String(pid)}/cmdline`, 'utf8')).split('\0');
  expect(command).toContain('--permission');
  expect(command.filter((each) => each.startsWith('--allow-fs-write=')).toSorted()).toEqual([
    `--allow-fs-write=${keys}`,
    `--allow-fs-write=${path.join(root, 'repository/passphrase')}`,
  ]);
  expect(command).not.toContain('--allow-child-process');
  const unsealed = await run(['unshare', '--user', '--map-current-user', '--net', '--', 'true']);
  const isPossible = unsealed.code === 0 || (await run(['unshare', '--net', '--', 'true'])).code === 0;
  const isSealed = (await readlink(`/proc/${String(pid)}/ns/net`)) !== (await readlink('/proc/self/ns/net'));
  expect(isSealed).toBe(isPossible);
});

test('one that is killed is started again, and what was asked meanwhile is answered', async () => {
  const signer = open();
  await signer.refresh();
  const [pid] = await signerProcesses(process.pid);
  process.kill(pid ?? 0, 'SIGKILL');
  const signed = await Promise.all([1, 2, 3].map(() => signer.sign({ text: RELEASE, ...AT })));
  expect(signed.every((each) => each.inRelease.includes('BEGIN PGP SIGNATURE'))).toBe(true);
  const now = await signerProcesses(process.pid);
  expect(now).toHaveLength(1);
  expect(now[0]).not.toBe(pid);
});

test('one that dies again and again is not started for ever', async () => {
  const signer = open();
  let starts = 0;
  // Five in a minute are allowed; on a machine under load some fall out of the minute.
  const failure = await (async (): Promise<unknown> => {
    for (; starts < 15; starts += 1) {
      const error = await signer.refresh().then(
        () => null,
        (thrown: unknown) => thrown,
      );
      if (error !== null) return error;
      for (const pid of await signerProcesses(process.pid)) process.kill(pid, 'SIGKILL');
      await waitFor('its end', async () => (await signerProcesses(process.pid)).length === 0);
    }
    return null;
  })();
  expect(failure).toMatchObject({ code: 'signer-unavailable' });
  expect(starts).toBeGreaterThanOrEqual(5);
  expect(signer.trouble).toMatchObject({ code: 'signer-unavailable' });
});

test('it ends with the connection to the repository', async () => {
  const signer = open();
  await signer.refresh();
  expect(await signerProcesses(process.pid)).toHaveLength(1);
  await signer.close();
  await waitFor('its end', async () => (await signerProcesses(process.pid)).length === 0);
});

test('it refuses what is no Release, keys that are not active and those it does not know; nothing of it is signed', async () => {
  const signer = open();
  await signer.refresh();
  const refused = [
    ['hello\n', 'signing-not-a-release'],
    [`${RELEASE}\nOrigin: x\n`, 'signing-not-a-release'],
    ['', 'signer-request-invalid'],
    [`${RELEASE}${'x'.repeat(4 * 1024 * 1024)}\n`, 'signer-request-invalid'],
  ] as const;
  for (const [text, code] of refused) {
    await expect(signer.sign({ text, ...AT })).rejects.toMatchObject({ code });
  }
  expect(await signer.ask('audit', { limit: 10 })).toEqual([]);
  const { fingerprint } = await signer.ask('create', {});
  const ask = (key: string): Promise<unknown> => signer.ask('sign', { text: RELEASE, ...AT, keys: [key] });
  await expect(ask(fingerprint)).rejects.toMatchObject({ code: 'signing-key-not-active' });
  await expect(ask('0'.repeat(40))).rejects.toMatchObject({ code: 'key-unknown' });
});

test('the audit log says what was signed, for whom, by which keys, and only grows', async () => {
  const signer = open();
  const { signing } = await signer.refresh();
  await signer.sign({ text: RELEASE, ...AT });
  const [file] = (await readdir(keys)).filter((name) => name.startsWith('audit.'));
  const before = await readFile(path.join(keys, file ?? ''), 'utf8');
  await addKey(signer);
  expect((await readFile(path.join(keys, file ?? ''), 'utf8')).startsWith(before)).toBe(true);
  const entries = await signer.ask('audit', { limit: 10 });
  expect(entries.map((entry) => entry.what)).toEqual([
    'key-active',
    'key-announced',
    'key-created',
    'release',
  ]);
  expect(entries.at(-1)).toMatchObject({
    ...AT,
    requester: 'a test',
    keys: signing,
    sha256: createHash('sha256').update(RELEASE).digest('hex'),
  });
});

test('two signers change the keys at once: neither loses what the other did', async () => {
  const [one, two] = [open(), open()];
  await Promise.all([one.refresh(), two.refresh()]);
  const made = await Promise.all([one, two, one, two].map((signer) => signer.ask('create', {})));
  const all = (await one.refresh()).keys.map((key) => key.fingerprint);
  expect(all).toHaveLength(5);
  for (const { fingerprint } of made) expect(all).toContain(fingerprint);
  expect((await two.refresh()).keys).toHaveLength(5);
});

test('an extended key is the same key with another end, also after a restart', async () => {
  const signer = open({ keyDays: 10 });
  const [key] = (await signer.refresh()).keys;
  await signer.ask('change', {
    key: key?.fingerprint ?? '',
    to: 'extended',
    force: false,
    dryRun: false,
    days: 400,
  });
  await signer.close();
  const again = open();
  const [extended] = (await again.refresh()).keys;
  expect(extended?.fingerprint).toBe(key?.fingerprint);
  const days = (Date.parse(extended?.expiresAt ?? '') - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(399);
  // gpg reads the new end from the published keyring.
  const file = await write('extended.asc', again.publicKey.armored);
  const shown = await run(['gpg', '--batch', '--with-colons', '--show-keys', file]);
  const seconds = Number(
    shown.stdout
      .toString()
      .split('\n')
      .find((line) => line.startsWith('pub:'))
      ?.split(':')[6],
  );
  expect(seconds * 1000).toBe(Date.parse(extended?.expiresAt ?? ''));
  await again.sign({ text: RELEASE, ...AT });
});

test("a signer that runs by itself answers at its socket, which is its own and its group's", async () => {
  const socket = path.join(root, 'socket');
  const client = open({ signerSocket: socket });
  await expect(client.refresh()).rejects.toMatchObject({ code: 'signer-unavailable' });
  await writeFile(
    path.join(root, 'autobuilder.yaml'),
    'products: { bookworm: { architectures: [amd64], sources: [{ uris: [http://archive.example.org/debian], suites: [bookworm], components: [main] }] } }\n',
  );
  const main = path.resolve(import.meta.dirname, '../../services/repository/signing/main.ts');
  const child = spawn(process.execPath, [main, '--listen', socket], {
    env: { PATH: process.env['PATH'], AUTOBUILDER_HOME: root },
    stdio: 'ignore',
  });
  try {
    await waitFor('the signer', () => client.refresh().catch(() => null), 60_000);
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    const { inRelease } = await client.sign({ text: RELEASE, ...AT });
    expect(inRelease).toContain('Codename: bookworm');
    child.kill('SIGTERM');
    await waitFor('its end', () => child.exitCode !== null);
    expect(child.exitCode).toBe(0);
  } finally {
    child.kill('SIGKILL');
  }
});

describe('keys that gpg holds', () => {
  let gnupg: GnupgHome;
  beforeEach(async () => {
    gnupg = await GnupgHome.make();
  });
  afterEach(() => gnupg.remove());

  test('sign through the agent, which alone has the passphrase; a locked agent is told', async () => {
    const secret = ['--passphrase', 'only the agent knows'];
    const key = await gnupg.generate('Held <held@example.org>', 'ed25519', '1y', secret);
    const signer = open({ keys: [{ gpg: key, homedir: gnupg.folder }] });
    const view = await signer.refresh();
    expect(view.keys).toMatchObject([{ fingerprint: key, backend: 'gpg', state: 'active', problem: null }]);
    expect((await readdir(keys)).filter((name) => name.startsWith('archive-private'))).toEqual([]);
    await run(['gpgconf', '--homedir', gnupg.folder, '--kill', 'gpg-agent']);
    await expect(signer.sign({ text: RELEASE, ...AT })).rejects.toMatchObject({ code: 'signing-gpg-failed' });
    await gnupg.gpg([...secret, '--local-user', key, '--detach-sign'], 'unlocks it');
    const signed = await signer.sign({ text: RELEASE, ...AT });
    const ring = await write('held.gpg', signer.publicKey.binary);
    expect((await run(['gpgv', '--keyring', ring, await write('InRelease', signed.inRelease)])).code).toBe(0);
    const detached = [await write('Release.gpg', signed.detached), await write('Release', RELEASE)];
    expect((await run(['gpgv', '--keyring', ring, ...detached])).code).toBe(0);
  });

  test('take over from a key of ours: both sign the same file, whoever makes the signature', async () => {
    const first = open();
    const [own] = (await first.refresh()).signing;
    await first.close();
    const key = await gnupg.generate('Card <card@example.org>', 'rsa3072', '1y');
    const signer = open({ keys: [{ gpg: key, homedir: gnupg.folder }] });
    expect((await signer.refresh()).keys.map((each) => [each.fingerprint, each.state])).toEqual([
      [own, 'active'],
      [key, 'new'],
    ]);
    for (const to of ['announced', 'active'] as const) {
      await signer.ask('change', { key, to, force: false, dryRun: false });
    }
    await signer.refresh();
    const signed = await signer.sign({ text: RELEASE, ...AT });
    const files = [await write('InRelease', signed.inRelease)];
    const ring = await write('both.gpg', signer.publicKey.binary);
    const { stdout } = await run(['gpgv', '--status-fd', '1', '--keyring', ring, ...files]);
    expect(stdout.toString().match(/VALIDSIG [0-9A-F]{40}/g)).toEqual([
      `VALIDSIG ${own ?? ''}`,
      `VALIDSIG ${key}`,
    ]);
    await expect(
      signer.ask('change', { key, to: 'extended', force: false, dryRun: false }),
    ).rejects.toMatchObject({ code: 'key-extend-gpg' });
  });
});
