/** `autobuilder host add` on a real host: its key, its checks, a real trial build in a clean target. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builderHost } from '../../shared/protocol/builder-host.ts';
import { keyFingerprint } from '../../shared/ssh/host-key.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import { run } from '../../shared/process/run.ts';
import { machineCodename } from '../../shared/config/machine.ts';
import { openTestGarage, type TestGarage } from '../support/garage.ts';
import { startBuilder, type BuilderService } from './dispatch-support.ts';

/** A cold base is made first: a minute on a slow line, more on a slow disk. */
const COLD_TIMEOUT_MS = 300_000;

const AUTOBUILDER = path.resolve(import.meta.dirname, '../../bin/autobuilder');
let garage: TestGarage;
let builder: BuilderService | undefined;
let address: string;
let fingerprint: string;
let workdir: string;

/** As root the host's default is shared by every installation; a normal user's lies below the real home. */
function warmWorkdir(): { workdir?: string } {
  if (process.getuid?.() === 0) return {};
  return { workdir: path.resolve(process.env['AUTOBUILDER_HOME'] ?? 'var', 'builder/work') };
}

beforeAll(async () => {
  garage = await openTestGarage({
    products: { [await machineCodename()]: {} },
    builder: { listen: '127.0.0.1:0', slots: 1, ...warmWorkdir() },
  });
  await ensureKeyPair(path.join(garage.home.garage, 'ssh', 'id_ed25519'), 'test');
  builder = await startBuilder(garage);
  const text = await readFile(path.join(garage.home.builder, 'host.json'), 'utf8');
  const known = builderHost.parse(JSON.parse(text));
  address = `${known.username}@${known.address}:${String(known.port)}`;
  fingerprint = keyFingerprint(known.hostKey);
  workdir = known.workdir;
});
afterAll(async () => {
  await builder?.stop();
  await garage?.dispose();
});

interface Said {
  code: number | null;
  out: string;
  err: string;
}

async function host(...args: string[]): Promise<Said> {
  const { code, stdout, stderr } = await run([AUTOBUILDER, 'host', ...args], {
    env: garage.env,
    timeoutMs: COLD_TIMEOUT_MS,
  });
  return { code, out: stdout.toString('utf8'), err: stderr.toString('utf8') };
}

async function shown(name: string): Promise<Record<string, unknown>> {
  return JSON.parse((await host('show', name, '--json')).out) as Record<string, unknown>;
}

test('nobody is trusted unasked', async () => {
  const unasked = await host('add', address, '--name', 'first');
  expect(unasked).toMatchObject({ code: 1, out: '' });
  expect(unasked.err).toContain(`shows the key ${fingerprint}`);
  expect(unasked.err).toContain(`hint: Compare it on the host, then add --fingerprint ${fingerprint}`);
  const wrong = await host('add', address, '--fingerprint', 'SHA256:AAAA');
  expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('somebody may be in between') });
  expect((await host('list')).out).toBe('There are no builder hosts\n');
});

test('a host is added once it has built', { timeout: COLD_TIMEOUT_MS }, async () => {
  const options = ['--slots', '3', '--feature', 'kvm', '--workdir', workdir, '--fingerprint', fingerprint];
  const added = await host('add', address, '--name', 'first', ...options);
  expect(added.err).toContain('first is added and gets builds');
  expect(added.code).toBe(0);
  for (const name of ['connection', 'login', 'nodejs', 'tools', 'namespaces', 'disk', 'clock']) {
    expect(added.out).toMatch(new RegExp(`^ok +${name}: `, 'm'));
  }
  expect(added.out).toMatch(/^ok +trial build \w+: built for \w+ in [\d.]+ s \((overlay|sbuild)\)$/m);
  expect(await shown('first')).toMatchObject({
    ...{ status: 'active', slots: 3, features: ['kvm'], fingerprint, test: { passed: true } },
  });
  const again = await host('add', address, '--name', 'first', '--yes');
  expect(again).toMatchObject({ code: 1, err: expect.stringContaining("There is a builder host 'first'") });
});

test('one that cannot build is known, gets nothing, and says why', async () => {
  const options = ['--yes', '--no-trial', '--min-free', '1000000', '--workdir', workdir, '--json'];
  const added = await host('add', address, '--name', 'second', ...options);
  expect(added.code).toBe(1);
  expect(JSON.parse(added.out)).toMatchObject({ name: 'second', passed: false });
  expect(added.err).toContain('autobuilder host set second --min-free GB');
  expect(await shown('second')).toMatchObject({ status: 'draining', test: { passed: false } });
  await host('set', 'second', '--min-free', '0.1', '--slots', '2', '--max-build-hours', '1.5');
  expect((await host('test', 'second', '--no-trial')).err).toContain(
    'take it back with: autobuilder host resume second',
  );
  expect((await host('resume', 'second')).code).toBe(0);
  expect(await shown('second')).toMatchObject({ status: 'active', slots: 2, maxBuildS: 5_400 });
});

test('drain, remove and list', async () => {
  expect((await host('drain', 'second', '--reason', 'new disk')).err).toContain('0 still running');
  expect((await host('list')).out).toMatch(/^second .* draining .* new disk$/m);
  expect((await host('remove', 'second')).code).toBe(0);
  expect((await host('list')).out).not.toContain('second');
  expect((await host('list', '--all')).out).toContain('removed');
  for (const [args, said] of [
    [['show', 'third'], "There is no builder host 'third'"],
    [['resume', 'second'], "Builder host 'second' is removed"],
    [['add', 'nobody'], "'nobody' is no address of a host"],
    [['add', 'builder@127.0.0.1:1', '--yes'], 'No SSH server answers at 127.0.0.1:1'],
    [['set', 'first', '--slots', '65'], 'slots'],
    [['set', 'first', '--feature', 'Big Memory'], 'features'],
    [['set', 'first'], 'Nothing was given to change'],
  ] as const) {
    expect(await host(...args)).toMatchObject({ code: 1, err: expect.stringContaining(said) });
  }
});
