/**
 * A rotation as clients live it: the keyring package installed by real apt, then old key, both keys, new key,
 * followed by nothing but upgrades; and the client that missed it.
 */
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { minimalEnvironment, run, runChecked, type RunResult } from '../../shared/process/run.ts';
import type { Repository } from '../../services/repository/context.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { queueProducts } from '../../services/repository/places.ts';
import { createSigner, ensureArchiveKey } from '../../services/repository/signing/in-process.ts';
import { keepKeys } from '../../services/repository/signing/keeper.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { handOver, makeAptClient, makeSet, openTestRepository, serveLive } from './repository-support.ts';

/** Some twenty runs of apt, on a machine that does other things too. */
const LONG_MS = 240_000;
const PACKAGE = 'autobuilder-archive-keyring';
const KEYRING = `usr/share/keyrings/${PACKAGE}.gpg`;

const base = await openTestRepository();
const owner = { name: base.common.name, email: 'test@example.org' };
const rotation = { announceDays: 0, dualSignDays: 0 };
const signer = createSigner(await ensureArchiveKey(base.home, owner, { rotation }));
const repository: Repository = { ...base, signer };
const live = await serveLive(repository);
const rqp = createRqp(repository);

/** What the service does by itself, once. */
async function settle(): Promise<void> {
  await keepKeys(repository);
  for (const at of queueProducts(repository.common)) await sweepQueue(repository, at);
  await rqp.run();
}

async function change(key: string, to: 'announced' | 'active' | 'retired'): Promise<void> {
  await signer.ask('change', { key, to, force: false, dryRun: false });
  await settle();
}

/** A machine of its own as far as apt and dpkg can tell: they install into its folder. */
class Machine {
  readonly root: string;
  constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<Machine> {
    const machine = new Machine(await mkdtemp(path.join(repository.home.root, 'machine-')));
    const folders = [
      'etc/apt/preferences.d',
      'etc/apt/apt.conf.d',
      'etc/apt/sources.list.d',
      'var/lib/dpkg/updates',
    ];
    const more = [
      'var/lib/dpkg/info',
      'var/lib/apt/lists/partial',
      'var/cache/apt/archives/partial',
      'var/log/apt',
      'tmp',
    ];
    for (const name of [...folders, ...more]) await mkdir(path.join(machine.root, name), { recursive: true });
    for (const name of ['status', 'available']) {
      await writeFile(path.join(machine.root, 'var/lib/dpkg', name), '');
    }
    const sources = [
      ...['Types: deb', `URIs: ${live.url}/stable`, 'Suites: bookworm', 'Components: main'],
      `Signed-By: ${path.join(machine.root, KEYRING)}`,
    ];
    await writeFile(
      path.join(machine.root, 'etc/apt/sources.list.d/test.sources'),
      `${sources.join('\n')}\n`,
    );
    const options = {
      ...{ Dir: machine.root, 'APT::Architecture': 'amd64', 'APT::Architectures': 'amd64' },
      ...{ 'APT::Sandbox::User': 'root', 'Acquire::http::Proxy': 'DIRECT', 'Acquire::Retries': '0' },
      ...{
        'Debug::NoLocking': 'true',
        'Dir::Bin::dpkg': '/usr/bin/dpkg',
        'Dir::Bin::methods': '/usr/lib/apt/methods',
      },
      ...{ 'Dir::State::status': path.join(machine.root, 'var/lib/dpkg/status') },
    };
    const lines = Object.entries(options).map(([name, value]) => `${name} "${value}";\n`);
    const dpkg = [
      `--root=${machine.root}`,
      '--force-not-root',
      '--force-script-chrootless',
      `--log=${machine.root}/dpkg.log`,
    ];
    lines.push(`DPkg::Options { ${dpkg.map((each) => `"${each}"; `).join('')}};\n`);
    await writeFile(path.join(machine.root, 'apt.conf'), lines.join(''));
    await machine.fetchKey();
    return machine;
  }

  /** As the first step of `autobuilder howto install` says. */
  async fetchKey(): Promise<void> {
    const key = await (await fetch(`${live.url}/archive-key.gpg`)).arrayBuffer();
    await mkdir(path.dirname(path.join(this.root, KEYRING)), { recursive: true });
    await writeFile(path.join(this.root, KEYRING), Buffer.from(key));
  }

  apt(...args: string[]): Promise<RunResult> {
    // Whoever is not root may not chown what dpkg unpacks.
    const prefix = process.getuid?.() === 0 ? [] : ['fakeroot'];
    const argv = [...prefix, 'apt-get', '--yes', '--quiet', ...args] as [string, ...string[]];
    return run(argv, {
      cwd: this.root,
      env: minimalEnvironment({ APT_CONFIG: path.join(this.root, 'apt.conf') }),
    });
  }

  update(): Promise<RunResult> {
    return this.apt('update', '--error-on=any');
  }

  /** What apt complains of; empty when all is well. */
  async upgrade(): Promise<string> {
    const update = await this.update();
    const upgrade = await this.apt('upgrade');
    const codes = [update.code, upgrade.code].filter((code) => code !== 0);
    return `${codes.join(' ')}${update.stderr.toString()}${upgrade.stderr.toString()}`;
  }

  /** Fingerprints in the keyring that apt trusts here. */
  async trusted(): Promise<string[]> {
    const { stdout } = await runChecked([
      ...(['gpg', '--batch', '--with-colons', '--show-keys', path.join(this.root, KEYRING)] as const),
    ]);
    return [...stdout.toString().matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map((match) => match[1] ?? '');
  }

  async installed(): Promise<string> {
    const status = await readFile(path.join(this.root, 'var/lib/dpkg/status'), 'utf8');
    return /^Version: (.*)$/m.exec(status)?.[1] ?? '';
  }
}

async function signedBy(): Promise<string[]> {
  const keyring = path.join(repository.home.live, 'archive-key.gpg');
  const inRelease = path.join(repository.home.live, 'stable/dists/bookworm/InRelease');
  const { stdout } = await run(['gpgv', '--status-fd', '1', '--keyring', keyring, inRelease]);
  return [...stdout.toString().matchAll(/VALIDSIG ([0-9A-F]{40})/g)].map((match) => match[1] ?? '');
}

async function newKey(): Promise<string> {
  return (await signer.ask('create', {})).fingerprint;
}

beforeAll(settle);
afterAll(async () => {
  await live.server.close();
  await base.dispose();
});

describe('the keyring package', () => {
  test('is in every queue, with its source, and is decided once for each version', async () => {
    const { rows } = await repository.pool.query(
      `select queue, source_version, binaries from published where source = $1 order by queue`,
      [PACKAGE],
    );
    const { version } = signer.keyring;
    const held = { source_version: version, binaries: [`${PACKAGE}_all`] };
    expect(rows).toEqual(['devel', 'stable', 'testing'].map((queue) => ({ queue, ...held })));
    expect(await keepKeys(repository)).toBe(false);
  });

  test('holds the published keyring, in the binary and in the source', async () => {
    const pool = path.join(repository.home.live, 'stable/pool/bookworm/main/a', PACKAGE);
    const stem = `${PACKAGE}_${signer.keyring.version}`;
    const folder = await mkdtemp(path.join(repository.home.root, 'unpacked-'));
    const { stdout } = await runChecked(['dpkg-deb', '--contents', path.join(pool, `${stem}_all.deb`)]);
    expect(stdout.toString()).toContain(`./${KEYRING}`);
    const owners = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/)[1]);
    expect(new Set(owners)).toEqual(new Set(['root/root']));
    await runChecked(['dpkg-source', '--extract', path.join(pool, `${stem}.dsc`), path.join(folder, 'tree')]);
    await runChecked([
      'dpkg-deb',
      '--extract',
      path.join(pool, `${stem}_all.deb`),
      path.join(folder, 'root'),
    ]);
    const [fromSource, fromBinary, published] = await Promise.all(
      [
        path.join(folder, `tree/${PACKAGE}.gpg`),
        path.join(folder, 'root', KEYRING),
        path.join(repository.home.live, 'archive-key.gpg'),
      ].map((file) => readFile(file)),
    );
    expect(fromSource?.equals(published ?? Buffer.alloc(0))).toBe(true);
    expect(fromBinary?.equals(published ?? Buffer.alloc(0))).toBe(true);
    const changelog = await run(['dpkg-parsechangelog', '--show-field', 'Version'], {
      cwd: path.join(folder, 'tree'),
    });
    expect(changelog.stdout.toString().trim()).toBe(signer.keyring.version);
  });

  test('is not published where the configuration says so', async () => {
    const config = { ...repository.config, keyringPackage: false };
    await repository.pool.query(`delete from sets where source = $1`, [PACKAGE]);
    expect(await keepKeys({ ...repository, config })).toBe(false);
    expect(await keepKeys(repository)).toBe(true); // the same set again, taken silently
    await settle();
  });
});

test(
  'a client with the package alone follows: old key, both, new key; one that missed it is told NO_PUBKEY',
  async () => {
    const [old] = signer.keyring.signing;
    const [follower, sleeper] = [await Machine.make(), await Machine.make()];
    expect(await follower.upgrade()).toBe('');
    const install = await follower.apt('install', PACKAGE);
    expect([install.code, install.stderr.toString()]).toEqual([0, '']);
    const first = await follower.installed();
    expect(await follower.trusted()).toEqual([old]);

    // Announced: in the keyring, not signing.
    const next = await newKey();
    await change(next, 'announced');
    expect(await signedBy()).toEqual([old]);
    expect(await follower.upgrade()).toBe('');
    expect(await follower.trusted()).toEqual([old, next]);
    const second = await follower.installed();
    expect((await run(['dpkg', '--compare-versions', second, 'gt', first])).code).toBe(0);

    // Both sign: whoever knows either is fine.
    await change(next, 'active');
    expect(await signedBy()).toEqual([old, next]);
    await handOver(repository, await makeSet(repository, { source: 'while-both', queue: 'stable' }));
    await settle();
    expect(await follower.upgrade()).toBe('');
    expect((await sleeper.update()).code).toBe(0);
    // Both in one armored block, as builders and older habits take it.
    const armored = await makeAptClient(repository, live.url, ['stable']);
    const update = await armored.apt('apt-get', 'update', '--error-on=any');
    expect([update.code, update.stderr.toString()]).toEqual([0, '']);

    // The old one is retired: it signs no more and leaves the keyring.
    await change(old ?? '', 'retired');
    expect(await signedBy()).toEqual([next]);
    expect(await follower.upgrade()).toBe('');
    expect(await follower.trusted()).toEqual([next]);
    const missed = await sleeper.update();
    expect(missed.code).not.toBe(0);
    expect(missed.stderr.toString()).toContain(`NO_PUBKEY ${next.slice(-16)}`);
    await sleeper.fetchKey();
    expect((await sleeper.update()).code).toBe(0);
  },
  LONG_MS,
);

test('the last key cannot be retired, and a change that is refused changes nothing', async () => {
  const [only] = signer.keyring.signing;
  const { version } = await signer.refresh();
  await expect(change(only ?? '', 'retired')).rejects.toMatchObject({ code: 'key-last' });
  const view = await signer.refresh();
  expect([view.signing, view.version]).toEqual([[only], version]);
});
