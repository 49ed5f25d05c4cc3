/** What clients know an archive by does not change by accident; Section and Priority change when an admin says so. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CommonConfig } from '../../shared/config/common.ts';
import { buildHealthServer } from '../../services/repository/health.ts';
import type { Repository } from '../../services/repository/context.ts';
import type { HeldIdentityRow } from '../../shared/protocol/tables.ts';
import { identityStates } from '../../services/repository/generations/shape.ts';
import { acceptIdentity } from '../../services/repository/indexes/identity.ts';
import {
  listOverrides,
  removeOverride,
  setOverride,
} from '../../services/repository/indexes/override-rows.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { commandLine } from './repository-command-line.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  type PackageOptions,
} from './repository-support.ts';

const repository = await openTestRepository();
const live = await serveLive(repository);
beforeAll(async () => {
  await repository.sweep();
  await createRqp(repository).run();
});
afterAll(async () => {
  await live.server.close();
  await repository.dispose();
});

const DEVEL = { queue: 'devel', product: 'bookworm' };

async function sweep(own: Repository, ...sets: PackageOptions[]): Promise<void> {
  for (const options of sets) await handOver(own, await makeSet(own, options));
  await sweepQueue(own, DEVEL);
  await createRqp(own).run();
}

/** Section and Priority as apt shows them. */
async function shown(name: string): Promise<string[]> {
  const client = await makeAptClient(repository, live.url, ['devel']);
  await client.apt('apt-get', 'update', '--error-on=any');
  const text = (await client.apt('apt-cache', 'show', name)).stdout.toString();
  return text.split('\n').filter((line) => /^(?:Section|Priority):/.test(line));
}

/** The same repository after an edit of the configuration. */
function configured(common: Partial<CommonConfig>, config: Partial<Repository['config']> = {}): Repository {
  return {
    ...repository,
    common: { ...repository.common, ...common },
    config: { ...repository.config, ...config },
  };
}

function read(file: string): Promise<string> {
  return readFile(path.join(placesOf(repository.home, 'devel', 'bookworm').dists, file), 'utf8');
}

async function heldBack(): Promise<unknown[]> {
  const { rows } = await repository.pool.query<HeldIdentityRow>('select * from held_identities');
  return rows.map(({ queue, changes, since }) => [queue, changes.map(({ field }) => field), since]);
}

async function newest(): Promise<{ number: number; cause: string }> {
  const { rows } = await repository.pool.query<{ number: number; cause: string }>(
    `select number, cause from generations where queue = 'devel' order by number desc limit 1`,
  );
  return rows[0] ?? { number: 0, cause: '' };
}

describe('a configuration that changes Origin and takes an architecture away', () => {
  const [product] = repository.common.products;
  const changed = configured({
    name: 'Renamed',
    products: [{ ...product!, architectures: ['amd64'], components: ['main', 'extra'] }],
  });

  test('is held back with what it would do to clients; packages go on, what only comes along is taken', async () => {
    const client = await makeAptClient(repository, live.url, ['devel'], 'i386');
    await sweep(repository, { source: 'before', architecture: 'i386' });
    expect((await client.apt('apt-get', 'update', '--error-on=any')).code).toBe(0);
    await sweep(changed, { source: 'after' });
    const release = await read('Release');
    expect(release).toContain('Origin: Autobuilder\nLabel: Autobuilder devel\n');
    expect(release).toContain('Architectures: amd64 i386\nComponents: main extra\n');
    expect((await client.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
    expect((await client.apt('apt-cache', 'show', 'before')).code).toBe(0);
    const [state] = await identityStates(changed);
    expect(state?.isHeld).toBe(true);
    expect(state?.changes.map(({ field, from, to }) => [field, from, to])).toEqual([
      ['Origin', 'Autobuilder', 'Renamed'],
      ['Label', 'Autobuilder devel', 'Renamed devel'],
      ['Architectures', 'i386', ''],
    ]);
  });

  test('is seen in health, and makes no generation over and over', async () => {
    const before = await newest();
    await sweep(changed);
    expect(await newest()).toEqual(before);
    const health = buildHealthServer(changed);
    const answer = await health.inject('/healthz');
    expect(answer.statusCode).toBe(200);
    expect(answer.json<{ identity: { queue: string }[] }>().identity[0]).toMatchObject({
      ...DEVEL,
      isHeld: true,
    });
    await health.close();
    expect(await repository.metrics.registry.metrics()).toContain(
      'autobuilder_repository_identity_refused{queue="devel",product="bookworm"} 3',
    );
  });

  test('is told to who reads the tables only, since its first sweep, until it is taken back', async () => {
    const told = await heldBack();
    expect(told).toEqual([['devel', ['Origin', 'Label', 'Architectures'], expect.any(Date)]]);
    await sweep(changed);
    expect(await heldBack()).toEqual(told);
    // The component came along, so it is no part of what is taken back.
    await sweep(configured({ products: [{ ...product!, components: ['main', 'extra'] }] }));
    expect(await heldBack()).toEqual([]);
    await sweep(changed);
    expect(await heldBack()).toHaveLength(1);
  });

  test('is published when an admin accepts it, and apt then does what was foretold', async () => {
    const client = await makeAptClient(repository, live.url, ['devel']);
    await client.apt('apt-get', 'update', '--error-on=any');
    const [state] = await identityStates(changed);
    await acceptIdentity(repository.pool, DEVEL, state!.configured);
    await sweep(changed);
    expect((await newest()).cause).toBe('configuration');
    expect(await read('Release')).toContain('Origin: Renamed\nLabel: Renamed devel\n');
    expect(await read('Release')).toContain('Architectures: amd64\n');
    const update = await client.apt('apt-get', 'update');
    expect(update.code).not.toBe(0);
    const foretold = /fails with "(.*)" until/.exec(state?.changes[0]?.effect ?? '')?.[1] ?? 'nothing';
    expect(update.stderr.toString()).toContain(foretold);
    expect((await identityStates(changed))[0]).toMatchObject({ changes: [], isHeld: false });
    expect(await heldBack()).toEqual([]);
  });

  test('an acceptance counts once: the way back is another change', async () => {
    await sweep(repository);
    expect(await read('Release')).toContain('Origin: Renamed\n');
    await sweep(configured({}, { acceptIdentityChanges: true }));
    expect(await read('Release')).toContain('Origin: Autobuilder\n');
    expect(await read('Release')).toContain('Architectures: amd64 i386\n');
  });
});

test('names come from the archive, the queue or the product, and Changelogs with them', async () => {
  const [product] = repository.common.products;
  const [queue, ...queues] = repository.common.queues;
  const named = configured(
    {
      products: [{ ...product!, release: { codename: '{product}-own' } }],
      queues: [{ ...queue, release: { label: 'Queue {queue}', codename: 'not-this' } }, ...queues],
    },
    {
      acceptIdentityChanges: true,
      release: {
        ...repository.config.release,
        suite: '{queue}',
        changelogs: 'https://example.org/@CHANGEPATH@',
      },
    },
  );
  await sweep(named);
  expect(await read('Release')).toContain(
    'Origin: Autobuilder\nLabel: Queue devel\nSuite: devel\nCodename: bookworm-own\n',
  );
  expect(await read('Release')).toContain('\nChangelogs: https://example.org/@CHANGEPATH@\n');
  const client = await makeAptClient(repository, live.url, ['devel']);
  await client.apt('apt-get', 'update');
  const uris = (await client.apt('apt-get', 'changelog', '--print-uris', 'after')).stdout.toString();
  expect(uris).toContain('https://example.org/main/a/after/after_1.0');
  await sweep(configured({}, { acceptIdentityChanges: true }));
});

describe('overrides', () => {
  const key = { product: 'bookworm', queue: '', kind: 'deb', name: 'ruled' } as const;
  const by = { who: null };

  test('are in the indexes by the next sweep, and touch nothing else', async () => {
    await sweep(repository, { source: 'ruled' }, { source: 'other' });
    const untouched = path.join('main', 'source', 'Sources.xz');
    const places = placesOf(repository.home, 'devel', 'bookworm');
    const before = await stat(path.join(places.dists, untouched));
    await setOverride(repository.pool, key, { section: 'utils', priority: 'extra', ...by });
    await sweep(repository);
    expect((await newest()).cause).toBe('override');
    expect(await shown('ruled')).toEqual(['Priority: extra', 'Section: utils']);
    expect(await shown('other')).toEqual([]);
    expect((await stat(path.join(places.dists, untouched))).ino).toBe(before.ino);
  });

  test('of a queue go before those of all, field by field', async () => {
    await setOverride(repository.pool, { ...key, queue: 'devel' }, { section: 'net', ...by });
    await sweep(repository);
    expect(await shown('ruled')).toEqual(['Priority: extra', 'Section: net']);
    expect(await listOverrides(repository.pool, { product: 'bookworm', limit: 9 })).toHaveLength(2);
  });

  test('hold for a version that comes later, and no longer when they are removed', async () => {
    await sweep(repository, { source: 'ruled', version: '2.0' });
    expect(await shown('ruled')).toEqual(['Priority: extra', 'Section: net']);
    expect(await removeOverride(repository.pool, { ...key, queue: 'devel' }, null)).toBe(true);
    expect(await removeOverride(repository.pool, key, null)).toBe(true);
    expect(await removeOverride(repository.pool, key, null)).toBe(false);
    await sweep(repository);
    expect(await shown('ruled')).toEqual([]);
  });

  test('of a package that is not there make no generation', async () => {
    const before = await newest();
    await setOverride(repository.pool, { ...key, name: 'nowhere' }, { section: 'net', ...by });
    await sweep(repository);
    expect(await newest()).toEqual(before);
  });

  test('are refused when apt could not read them', async () => {
    await expect(setOverride(repository.pool, key, { section: 'a\nEvil: yes', ...by })).rejects.toMatchObject(
      {
        code: 'override-invalid',
      },
    );
    await expect(setOverride(repository.pool, key, { priority: 'best', ...by })).rejects.toThrow(
      'Policy 2.5',
    );
  });
});

describe('the command line', () => {
  test('sets, lists and removes overrides, and says what it was given wrongly', async () => {
    const set = await commandLine(repository, [
      'override',
      'set',
      'tool',
      '--section',
      'admin',
      '--queue',
      'devel',
    ]);
    expect(set).toMatchObject({
      code: 0,
      out: 'tool has Section admin in devel for bookworm; the next sweep publishes it\n',
    });
    expect(set.err).toBe('note: there is no deb tool for bookworm yet\n');
    const list = await commandLine(repository, ['override', 'list', 'tool', '--json']);
    expect(JSON.parse(list.out)).toMatchObject([
      { package: 'tool', type: 'deb', queue: 'devel', section: 'admin', priority: null },
    ]);
    for (const wrong of [
      ['--section', 'UTILS'],
      ['--priority', 'best'],
      [],
      ['--section', 'net', '--type', 'rpm'],
    ]) {
      expect((await commandLine(repository, ['override', 'set', 'tool', ...wrong])).code).toBe(1);
    }
    expect((await commandLine(repository, ['override', 'remove', 'tool', '--queue', 'devel'])).code).toBe(0);
    expect((await commandLine(repository, ['override', 'remove', 'tool', '--queue', 'devel'])).err).toContain(
      'There is no override of deb tool in devel for bookworm',
    );
  });

  test('lists identities and accepts a change, which it tells first', async () => {
    const listed = await commandLine(repository, ['identity', 'list']);
    expect([listed.code, listed.out]).toEqual([0, expect.stringContaining('as configured')]);
    const unchanged = await commandLine(repository, ['identity', 'accept', 'devel']);
    expect([unchanged.code, unchanged.err]).toEqual([1, expect.stringContaining('changes nothing')]);
    const file = path.join(repository.home.root, 'autobuilder.yaml');
    const before = await readFile(file, 'utf8');
    await writeFile(file, JSON.stringify({ ...(JSON.parse(before) as object), name: 'Renamed' }));
    try {
      const held = await commandLine(repository, ['identity', 'list']);
      expect(process.exitCode).toBe(1);
      expect(held.out).toContain("Origin changes from 'Autobuilder' to 'Renamed'");
      const dry = await commandLine(repository, ['identity', 'accept', 'devel', '--dry-run']);
      expect([dry.code, dry.out]).toEqual([0, expect.stringContaining('nothing was accepted')]);
      expect((await commandLine(repository, ['identity', 'accept', 'devel'])).code).toBe(0);
      const states = JSON.parse(
        (await commandLine(repository, ['identity', 'list', '--json'])).out,
      ) as object[];
      expect(states[0]).toMatchObject({ queue: 'devel', isHeld: false });
    } finally {
      process.exitCode = 0;
      await writeFile(file, before);
      await repository.pool.query('delete from accepted_identities');
    }
  });
});
