import { readdir, readFile, readlink, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../shared/process/run.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import {
  handOver,
  listFiles,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  writeManifest,
  type PackageOptions,
} from './repository-support.ts';

const repository = await openTestRepository();
const live = await serveLive(repository);
const rqp = createRqp(repository);

beforeAll(async () => {
  await repository.sweep();
  await rqp.run();
});
afterAll(async () => {
  await live.server.close();
  await repository.dispose();
});

async function arrive(...sets: PackageOptions[]): Promise<string[]> {
  const ids = [];
  for (const options of sets) ids.push(await handOver(repository, await makeSet(repository, options)));
  await repository.sweep();
  await rqp.run();
  return ids;
}

async function published(source: string): Promise<unknown[]> {
  const { rows } = await repository.pool.query<object>(
    `select source_version, binaries from published where queue = 'devel' and source = $1 order by 1`,
    [source],
  );
  return rows;
}

async function generations(): Promise<number> {
  const { rows } = await repository.pool.query<{ number: number }>(
    `select max(number) as number from generations where queue = 'devel'`,
  );
  return rows[0]?.number ?? 0;
}

test('every queue is published and signed from the start: apt-get update works, gpgv verifies', async () => {
  const client = await makeAptClient(repository, live.url, ['devel', 'testing', 'stable']);
  const update = await client.apt('apt-get', 'update', '--error-on=any');
  expect(update.stderr.toString()).toBe('');
  expect(update.code).toBe(0);
  for (const queue of ['devel', 'testing', 'stable']) {
    const dists = path.join(repository.home.live, queue, 'dists', 'bookworm');
    const keyring = path.join(repository.home.live, queue, 'archive-key.gpg');
    const inline = await run(['gpgv', '--keyring', keyring, path.join(dists, 'InRelease')]);
    expect(inline.stderr.toString()).toContain('Good signature');
    expect(inline.code).toBe(0);
    const detached = ['Release.gpg', 'Release'].map((name) => path.join(dists, name));
    expect((await run(['gpgv', '--keyring', keyring, ...detached])).code).toBe(0);
  }
});

describe('a set that arrives', () => {
  test('can be installed and its source fetched by apt, its row says installed and the generation live', async () => {
    const [id] = await arrive({
      source: 'tool',
      version: '1:1.0',
      binaries: [
        { name: 'tool', architecture: 'amd64' },
        { name: 'tool-data', architecture: 'all' },
      ],
    });
    const { rows } = await repository.pool.query(
      `select s.status, g.status as generation, g.cause, g.who, g.added
         from sets s join generations g on g.id = s.generation_id where s.id = $1`,
      [id],
    );
    expect(rows).toEqual([{ status: 'installed', generation: 'live', cause: 'set', who: 'maker', added: 3 }]);
    const client = await makeAptClient(repository, live.url, ['devel']);
    expect((await client.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
    const install = await client.apt('apt-get', 'install', '--yes', '--download-only', 'tool', 'tool-data');
    expect(install.stderr.toString()).toBe('');
    expect(install.code).toBe(0);
    const source = await client.apt('apt-get', 'source', '--download-only', 'tool');
    expect(source.stderr.toString()).toBe('');
    expect(source.code).toBe(0);
    // arch:all stands in the other architecture's index too
    const other = await makeAptClient(repository, live.url, ['devel'], 'i386');
    await other.apt('apt-get', 'update', '--error-on=any');
    expect((await other.apt('apt-cache', 'show', 'tool-data')).stdout.toString()).toContain(
      'Architecture: all',
    );
    expect((await other.apt('apt-cache', 'show', 'tool')).code).not.toBe(0);
  });

  test('several that wait become one generation', async () => {
    const before = await generations();
    await arrive({ source: 'one' }, { source: 'two' }, { source: 'three' });
    expect(await generations()).toBe(before + 1);
    expect(await published('three')).toHaveLength(1);
  });

  test('two versions of one source in one sweep: the newer stays, whichever came first', async () => {
    await arrive({ source: 'pair', version: '2.0' }, { source: 'pair', version: '1.0' });
    expect(await published('pair')).toEqual([{ source_version: '2.0', binaries: ['pair_amd64'] }]);
  });

  test('a newer version replaces its architecture; the other one stays until its build arrives', async () => {
    await arrive({ source: 'multi' }, { source: 'multi', architecture: 'i386' });
    expect(await published('multi')).toEqual([
      { source_version: '1.0', binaries: ['multi_amd64', 'multi_i386'] },
    ]);
    await arrive({ source: 'multi', version: '1.1' });
    expect(await published('multi')).toEqual([
      { source_version: '1.0', binaries: ['multi_i386'] },
      { source_version: '1.1', binaries: ['multi_amd64'] },
    ]);
    await arrive({ source: 'multi', version: '1.1', architecture: 'i386' });
    expect(await published('multi')).toEqual([
      { source_version: '1.1', binaries: ['multi_amd64', 'multi_i386'] },
    ]);
  });

  test('packages of debug symbols come along under their own ending', async () => {
    const set = await makeSet(repository, {
      source: 'symbols',
      binaries: [{ name: 'symbols-dbgsym', architecture: 'amd64' }],
    });
    const deb = path.join(set.folder, 'symbols-dbgsym_1.0_amd64.deb');
    await rename(deb, deb.replace(/deb$/, 'ddeb'));
    set.manifest.files = await listFiles(set.folder);
    await writeManifest(set);
    await handOver(repository, set);
    await repository.sweep();
    expect(await published('symbols')).toEqual([
      { source_version: '1.0', binaries: ['symbols-dbgsym_amd64'] },
    ]);
  });

  test('the same content again is taken silently', async () => {
    await arrive({ source: 'again' });
    const [id] = await arrive({ source: 'again' });
    const { rows } = await repository.pool.query('select status from sets where id = $1', [id]);
    expect(rows).toEqual([{ status: 'installed' }]);
  });
});

test('generations keep their last ten folders, the link points to the newest, work leaves nothing', async () => {
  const before = await generations();
  for (let number = before; number < 12; number += 1) await arrive({ source: `fill${String(number)}` });
  const places = placesOf(repository.home, 'devel', 'bookworm');
  const folders = (await readdir(places.generations)).map(Number).toSorted((a, b) => a - b);
  const newest = await generations();
  expect(folders).toEqual(Array.from({ length: 10 }, (_, index) => newest - 9 + index));
  expect(path.basename(await readlink(places.dists))).toBe(String(newest));
  expect(await readdir(path.join(repository.home.repository, 'work'))).toEqual([]);
  expect(await readdir(path.join(repository.home.repositoryIncoming, 'devel/bookworm'))).toEqual([]);
});

function head(file: string): Promise<Response> {
  return fetch(`${live.url}/${file}`, { method: 'HEAD' });
}

describe('the live server', () => {
  test('lets caches keep what never changes and ask for what does', async () => {
    const inRelease = await head('devel/dists/bookworm/InRelease');
    expect(inRelease.headers.get('cache-control')).toBe('public, no-cache');
    expect(inRelease.headers.get('last-modified')).not.toBeNull();
    const pool = await head('devel/pool/bookworm/main/t/tool/tool_1.0_amd64.deb');
    expect(pool.headers.get('cache-control')).toContain('immutable');
    const [hash] = await readdir(
      path.join(repository.home.live, 'devel/dists/bookworm/main/source/by-hash/SHA256'),
    );
    const byHash = await head(`devel/dists/bookworm/main/source/by-hash/SHA256/${hash ?? ''}`);
    expect(byHash.headers.get('cache-control')).toContain('immutable');
  });

  test('serves ranges, no dot files, nothing outside', async () => {
    const range = await fetch(`${live.url}/devel/dists/bookworm/Release`, {
      headers: { range: 'bytes=0-5' },
    });
    expect([range.status, await range.text()]).toEqual([206, 'Origin']);
    await stat(path.join(repository.home.root, 'autobuilder.yaml'));
    for (const file of [
      'devel/.bookworm.changed',
      '..%2fautobuilder.yaml',
      'devel/',
      '%2e%2e/autobuilder.yaml',
    ]) {
      expect((await fetch(`${live.url}/${file}`)).status).toBeGreaterThanOrEqual(400);
    }
  });

  test('its page names queues and key, and escapes the host it is called by', async () => {
    const answer = await live.server.inject({ url: '/', headers: { host: 'a"><script>x</script>' } });
    expect(answer.body).not.toContain('<script>x');
    const page = await (await fetch(live.url)).text();
    expect(page).toContain(`${live.url}/stable`);
    expect(page).toContain('/archive-key.asc');
  });
});

test('two publishes within one second still differ in Date, so no client keeps the older one', async () => {
  const dates = [];
  for (const source of ['quick1', 'quick2']) {
    await arrive({ source });
    dates.push((await fetch(`${live.url}/devel/dists/bookworm/InRelease`)).headers.get('last-modified'));
  }
  expect(new Set(dates).size).toBe(2);
});

async function newestCause(): Promise<unknown> {
  const { rows } = await repository.pool.query<{ cause: string }>(
    `select cause from generations where queue = 'stable' order by number desc limit 1`,
  );
  return rows[0]?.cause;
}

function release(): Promise<string> {
  return readFile(path.join(placesOf(repository.home, 'stable', 'bookworm').dists, 'Release'), 'utf8');
}

describe('without any change of packages', () => {
  const at = { queue: 'stable', product: 'bookworm' };
  test('a sweep publishes nothing, a new configuration a new generation', async () => {
    expect(await sweepQueue(repository, at)).toBe(false);
    expect(await newestCause()).toBe('initial');
    const products = repository.common.products.map((product) => ({
      ...product,
      components: ['main', 'contrib'],
    }));
    await sweepQueue({ ...repository, common: { ...repository.common, products } }, at);
    expect(await newestCause()).toBe('configuration');
    expect(await release()).toContain('Components: main contrib\n');
  });

  test('Valid-Until is renewed when half of it has passed', async () => {
    const config = { ...repository.config, validDays: 10 };
    await sweepQueue({ ...repository, config }, at);
    expect(await newestCause()).toBe('configuration');
    expect(await release()).toMatch(/^Valid-Until: .* UTC$/m);
    const age = `update generations set created_at = now() - $1::interval, dated_at = now() - $1::interval
      where queue = 'stable'`;
    await repository.pool.query(age, ['4 days']);
    await sweepQueue({ ...repository, config }, at);
    expect(await newestCause()).toBe('configuration');
    await repository.pool.query(age, ['6 days']);
    await sweepQueue({ ...repository, config }, at);
    expect(await newestCause()).toBe('renewal');
  });
});
