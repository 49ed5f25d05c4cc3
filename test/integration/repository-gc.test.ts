import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf } from '../../services/repository/places.ts';
import { startService } from '../../services/repository/service.ts';
import { waitFor } from '../support/wait.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { collectGarbage, type GarbageReport } from '../../services/repository/upkeep/gc.ts';
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
const at = { queue: 'devel', product: 'bookworm' };
const { pool } = placesOf(repository.home, at.queue, at.product);

beforeAll(() => repository.sweep());
afterAll(() => repository.dispose());

async function arrive(...sets: PackageOptions[]): Promise<string[]> {
  const ids = [];
  for (const options of sets) ids.push(await handOver(repository, await makeSet(repository, options)));
  await repository.sweep();
  return ids;
}

/** Lets go of every generation but the newest, as their retention does. */
async function dropOldGenerations(): Promise<void> {
  await repository.pool.query(
    `update generations g set dropped_at = now() where dropped_at is null and exists (
       select 1 from generations n where n.queue = g.queue and n.product = g.product and n.number > g.number)`,
  );
}

async function removedFiles(): Promise<string[]> {
  const { rows } = await repository.pool.query<{ path: string }>(
    `select path from pool_unused where queue = 'devel' and removed_at is not null order by path`,
  );
  return paths(rows);
}

function collect(graceHours = 0, dryRun = false): Promise<GarbageReport> {
  return collectGarbage(repository, at, { graceHours, dryRun });
}

const isThere = (file: string): Promise<boolean> =>
  access(path.join(pool, file)).then(
    () => true,
    () => false,
  );
const deb = (source: string, version: string): string =>
  `main/${source[0] ?? ''}/${source}/${source}_${version}_amd64.deb`;
const paths = (files: readonly { path: string }[]): string[] => files.map((file) => file.path);

describe('what is needed stays', () => {
  test('by the queue and by each kept generation; without them it goes after its grace time', async () => {
    await arrive({ source: 'aged', version: '1' });
    await arrive({ source: 'aged', version: '2' });
    expect(await collect()).toMatchObject({ removed: [], waiting: [] });
    await dropOldGenerations();
    const waiting = await collect(24);
    expect(paths(waiting.waiting)).toContain(deb('aged', '1'));
    expect(waiting.removed).toEqual([]);
    const dry = await collect(0, true);
    expect(paths(dry.removed)).toEqual(
      ['aged_1.dsc', 'aged_1.tar.xz', 'aged_1_amd64.deb'].map((name) => `main/a/aged/${name}`),
    );
    expect(await isThere(deb('aged', '1'))).toBe(true);
    expect(paths((await collect()).removed)).toEqual(paths(dry.removed));
    expect(await isThere(deb('aged', '1'))).toBe(false);
    expect(await isThere(deb('aged', '2'))).toBe(true);
    expect(await removedFiles()).toEqual(paths(dry.removed));
  });

  test('the source of a binary whose architecture lags, and what Built-Using names', async () => {
    await arrive({ source: 'lag', version: '1', architecture: 'i386' }, { source: 'static', version: '1' });
    const fields = { 'Built-Using': 'static (= 1), ghost (= 3)' };
    await arrive({ source: 'user', binaries: [{ name: 'user', architecture: 'amd64', fields }] });
    await arrive({ source: 'lag', version: '2' }, { source: 'static', version: '2' });
    await dropOldGenerations();
    const { removed } = await collect();
    expect(paths(removed)).toEqual([deb('static', '1')]);
    expect(await isThere('main/l/lag/lag_1.dsc')).toBe(true);
    expect(await isThere('main/s/static/static_1.tar.xz')).toBe(true);
    await arrive({ source: 'user', version: '2' }, { source: 'lag', version: '2', architecture: 'i386' });
    await dropOldGenerations();
    expect(paths((await collect()).removed)).toEqual([
      ...['lag_1.dsc', 'lag_1.tar.xz', 'lag_1_i386.deb'].map((name) => `main/l/lag/${name}`),
      ...['static_1.dsc', 'static_1.tar.xz'].map((name) => `main/s/static/${name}`),
      ...['user_1.0.dsc', 'user_1.0.tar.xz', 'user_1.0_amd64.deb'].map((name) => `main/u/user/${name}`),
    ]);
  });

  test('.buildinfo files, and what the database does not know', async () => {
    await mkdir(path.join(pool, 'main/x/xeno'), { recursive: true });
    await writeFile(path.join(pool, 'main/x/xeno/xeno_1_amd64.deb'), 'not ours');
    await writeFile(path.join(pool, 'main/x/xeno/.xeno.being-written'), '');
    const known = 'main/x/xeno/xeno_1_amd64.buildinfo';
    await writeFile(path.join(pool, known), 'how it was built');
    await repository.pool.query(
      `insert into pool_files (product, path, size, sha256) values ('bookworm', $1, 16, '')`,
      [known],
    );
    expect(await collect()).toMatchObject({ removed: [], waiting: [] });
  });
});

test('a name that comes again after its file was collected comes with the same content or not at all', async () => {
  await arrive({ source: 'name', version: '1', content: 'first' });
  await arrive({ source: 'name', version: '2' });
  await dropOldGenerations();
  await collect();
  expect(await isThere(deb('name', '1'))).toBe(false);
  await repository.pool.query(
    `delete from members m using packages p where p.id = m.package_id and p.source = 'name'`,
  );
  const [other] = await arrive({ source: 'name', version: '1', content: 'second' });
  const { rows } = await repository.pool.query('select status, reason_code from sets where id = $1', [other]);
  expect(rows).toEqual([{ status: 'quarantined', reason_code: 'file-exists' }]);
  await arrive({ source: 'name', version: '1', content: 'first' });
  expect(await isThere(deb('name', '1'))).toBe(true);
  await collect();
  expect(await isThere(deb('name', '1'))).toBe(true);
  expect(await removedFiles()).not.toContain(deb('name', '1'));
});

test('an old row does not shorten the grace time of what left the queue a moment ago', async () => {
  await arrive({ source: 'quick', version: '1' });
  await repository.pool.query(
    `insert into pool_unused (queue, product, path, unused_since, removed_at)
     values ('devel', 'bookworm', $1, now() - interval '9 days', now() - interval '9 days')`,
    [deb('quick', '1')],
  );
  await arrive({ source: 'quick', version: '2' });
  await dropOldGenerations();
  const { waiting } = await collect(24);
  expect(paths(waiting)).toContain(deb('quick', '1'));
  expect(await isThere(deb('quick', '1'))).toBe(true);
});

describe('a collection that is cut off', () => {
  const steps = ['gc-noted', 'gc-decided', 'gc-removed'];

  test.each(steps)('after %s ends the same at the next', async (step) => {
    const source = `cut-${step}`;
    await arrive({ source, version: '1' });
    await arrive({ source, version: '2' });
    await dropOldGenerations();
    repository.passed();
    repository.crashAfter(step);
    await expect(collect()).rejects.toThrow(`crash after ${step}`);
    await collect();
    expect(repository.passed()).toEqual([...steps.slice(0, steps.indexOf(step) + 1), ...steps]);
    expect(await isThere(deb(source, '1'))).toBe(false);
    expect(await isThere(deb(source, '2'))).toBe(true);
  });

  test('a set whose files are in the pool and whose publish was cut off is published all the same', async () => {
    await handOver(repository, await makeSet(repository, { source: 'half' }));
    repository.crashAfter('sets-in-pool');
    await expect(sweepQueue(repository, at)).rejects.toThrow('crash after');
    expect(paths((await collect()).removed)).toContain(deb('half', '1.0'));
    await sweepQueue(repository, at);
    expect(await isThere(deb('half', '1.0'))).toBe(true);
  });
});

test('collections beside publishes: every client ends with every package', async () => {
  const live = await serveLive(repository);
  const sources = Array.from({ length: 3 }, (_, index) => `busy${String(index)}`);
  for (const version of ['1', '2']) {
    for (const source of sources) {
      await handOver(repository, await makeSet(repository, { source, version }));
      await Promise.all([sweepQueue(repository, at), collect()]);
      await dropOldGenerations();
    }
  }
  await repository.sweep();
  await createRqp(repository).run();
  const client = await makeAptClient(repository, live.url, ['devel']);
  expect((await client.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
  const install = await client.apt('apt-get', 'install', '--yes', '--download-only', ...sources);
  expect(install.stderr.toString()).toBe('');
  expect(install.code).toBe(0);
  await live.server.close();
});

test('a client that has not updated since can fetch what left a moment ago, also after a collection', async () => {
  const live = await serveLive(repository);
  const rqp = createRqp(repository);
  await arrive({ source: 'seen', version: '1' });
  await rqp.run();
  const client = await makeAptClient(repository, live.url, ['devel']);
  expect((await client.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
  await arrive({ source: 'seen', version: '2' });
  await dropOldGenerations();
  expect(paths((await collect(1)).waiting)).toContain(deb('seen', '1'));
  await rqp.run();
  const old = await client.apt('apt-get', 'install', '--yes', '--download-only', 'seen');
  expect([old.stderr.toString(), old.code]).toEqual(['', 0]);
  await live.server.close();
});

test('the service collects by its schedule', async () => {
  const settings = { schedule: { gc: '* * * * * *' }, poolGraceHours: 0, snapshots: { keep: 2 } };
  const own = await openTestRepository({ repository: settings });
  const service = await startService(own);
  const folder = path.join(placesOf(own.home, 'devel', 'bookworm').pool, 'main/n/nightly');
  const debs = async (): Promise<string> =>
    (await readdir(folder)).filter((name) => name.endsWith('.deb')).join(' ');
  for (const version of ['1', '2', '3']) {
    await handOver(own, await makeSet(own, { source: 'nightly', version }));
    await waitFor(`version ${version}`, async () => (await debs()).includes(`_${version}_`), 120_000);
  }
  await waitFor('the oldest to go', async () => !(await debs()).includes('_1_'), 120_000);
  expect((await debs()).split(' ').toSorted()).toEqual(['nightly_2_amd64.deb', 'nightly_3_amd64.deb']);
  await service.stop();
  await own.dispose();
}, 240_000);

test('metrics say how many files went', async () => {
  const text = await repository.metrics.registry.metrics();
  expect(text).toMatch(/autobuilder_repository_pool_removed_total\{queue="devel"\} [1-9]/);
});

test.each(['-1', 'soon', '', '99999999999'])('--grace %j is refused in words of its own', async (hours) => {
  const ended = await commandLine(repository, ['gc', '--dry-run', '--grace', hours]);
  expect(ended).toMatchObject({ code: 1, out: '' });
  expect(ended.err).toContain(`--grace is a number of hours from 0 to 876000, not '${hours}'`);
});
