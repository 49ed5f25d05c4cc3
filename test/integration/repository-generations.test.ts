/** What a queue held at each time: its history, snapshots that apt reads, what is let go, and renewals. */
import { readdir, readFile, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildLiveServer } from '../../services/repository/live/server.ts';
import { placesOf } from '../../services/repository/places.ts';
import {
  generationHistory,
  type HistoryRow,
  type PackageDifference,
} from '../../shared/protocol/generation-history.ts';
import { commandLine } from './repository-command-line.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  type PackageOptions,
} from './repository-support.ts';

const DAY_MS = 24 * 3600 * 1000;
const snapshots = { keep: 3, queues: { stable: { keep: 2, days: 5 } } };
const repository = await openTestRepository({ repository: { validDays: 4, snapshots } });
const devel = { queue: 'devel', product: 'bookworm' };
const places = placesOf(repository.home, 'devel', 'bookworm');
const server = await buildLiveServer({
  ...{ root: repository.home.staging, common: repository.common, log: repository.log },
});
let url: string;

beforeAll(async () => {
  url = await server.listen({ host: '127.0.0.1', port: 0 });
  await repository.sweep();
});
afterAll(async () => {
  await server.close();
  await repository.dispose();
});

async function arrive(...all: PackageOptions[]): Promise<void> {
  for (const options of all) await handOver(repository, await makeSet(repository, options));
  await repository.sweep();
}

async function newest(queue = 'devel'): Promise<HistoryRow> {
  const rows = await generationHistory(repository.pool, { queue, product: 'bookworm' }, { limit: 1 });
  return rows[0] as HistoryRow;
}

/** Of those that have a snapshot. */
async function oldest(): Promise<HistoryRow> {
  const rows = await generationHistory(repository.pool, devel, { limit: 100 });
  return rows.findLast((row) => row.snapshot !== null) as HistoryRow;
}

async function cli(...args: string[]): Promise<unknown> {
  const ended = await commandLine(repository, [...args, '--json']);
  expect(ended).toMatchObject({ code: 0 });
  return JSON.parse(ended.out);
}

async function versions(snapshot: string, name: string): Promise<string[]> {
  const client = await makeAptClient(repository, url, [`devel/snapshot/${snapshot}`]);
  const updated = await client.apt('apt-get', 'update', '-o', 'Acquire::Check-Valid-Until=false');
  expect(updated).toMatchObject({ code: 0 });
  const { stdout } = await client.apt('apt-cache', 'madison', name);
  return [...stdout.toString().matchAll(/\| +(\S+) \|.*Packages/g)].map((match) => match[1] ?? '');
}

describe('history', () => {
  test('many sets that wait are one generation, with what it changed', async () => {
    const before = (await newest()).number;
    await arrive({ source: 'app' }, { source: 'tool' }, { source: 'lib' }, { source: 'doc' });
    expect(await newest()).toMatchObject({
      number: before + 1,
      cause: 'set',
      who: 'maker',
      added: 8,
      removed: 0,
    });
  });

  test('two generations are compared by number or snapshot, in both directions', async () => {
    const before = await newest();
    await arrive({ source: 'app', version: '2.0' }, { source: 'fresh' });
    const after = await newest();
    const [from, to] = [String(before.number), after.snapshot ?? ''];
    const compared = (await cli('diff', 'devel', from, to)) as { changes: PackageDifference[] };
    expect(compared).toMatchObject({ ...devel, from: before.number, to: after.number });
    expect(compared.changes.map((each) => [each.change, each.kind, each.name, each.from, each.to])).toEqual([
      ['upgraded', 'deb', 'app', '1.0', '2.0'],
      ['upgraded', 'source', 'app', '1.0', '2.0'],
      ['added', 'deb', 'fresh', null, '1.0'],
      ['added', 'source', 'fresh', null, '1.0'],
    ]);
    const back = (await cli('diff', 'devel', to, from)) as { changes: { change: string }[] };
    expect(back.changes.map((each) => each.change)).toEqual([
      ...['downgraded', 'downgraded', 'removed', 'removed'],
    ]);
    const list = (await cli('generation', 'list', 'devel')) as HistoryRow[];
    expect(list.slice(0, 2).map((each) => each.number)).toEqual([after.number, before.number]);
  });

  test.each([
    [['diff', 'devel', '1', '999'], 'has no generation 999'],
    [['diff', 'devel', '1', 'yesterday'], 'neither a generation'],
    [['generation', 'list', 'gold'], "no queue 'gold'"],
  ])('%j says what is wrong', async (args, words) => {
    const { code, err } = await commandLine(repository, args);
    expect([code, err]).toEqual([1, expect.stringContaining(words)]);
    expect(err).toContain('\nhint: ');
  });

  test('what was published before changes were kept is not guessed', async () => {
    await repository.pool.query(
      'update generations set changes_known = false where queue = $1 and number = 2',
      ['devel'],
    );
    const { err } = await commandLine(repository, ['diff', 'devel', '1', '3']);
    expect(err).toContain('What generation 2 changed was not kept');
    expect(await cli('diff', 'devel', '2', '3')).toMatchObject({ from: 2, to: 3 });
  });
});

describe('snapshots', () => {
  test('apt reads each kept generation, the list is there for programs and people', async () => {
    const old = (await newest()).snapshot ?? '';
    await arrive({ source: 'app', version: '3.0' });
    const now = (await newest()).snapshot ?? '';
    expect(await versions(old, 'app')).toEqual(['2.0']);
    expect(await versions(now, 'app')).toEqual(['3.0']);
    const list = (await (await fetch(`${url}/devel/snapshot/index.json`)).json()) as {
      snapshots: { timestamp: string }[];
    };
    expect(list.snapshots.slice(0, 2).map((each) => each.timestamp)).toEqual([now, old]);
    const page = await fetch(`${url}/devel/snapshot/`);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain(old);
  });

  test('apt installs a version that the queue no longer has', async () => {
    const list = await generationHistory(repository.pool, devel, { limit: 2 });
    const client = await makeAptClient(repository, url, [`devel/snapshot/${list[1]?.snapshot ?? ''}`]);
    await client.apt('apt-get', 'update');
    const got = await client.apt('apt-get', 'download', 'app');
    expect(got).toMatchObject({ code: 0 });
    expect((await client.apt('ls')).stdout.toString()).toContain('app_2.0_amd64.deb');
  });

  test('only the newest so many stay, and the pool knows what they need', async () => {
    // One is another product's too, which was published in the same second.
    const shared = path.join(places.root, 'snapshot', (await oldest()).snapshot ?? '', 'dists');
    await symlink('../../../generations/trixie/1', path.join(shared, 'trixie'));
    await arrive({ source: 'app', version: '4.0' });
    await arrive({ source: 'app', version: '5.0' });
    expect(await readdir(shared)).toEqual(['trixie']);
    await rm(path.join(shared, 'trixie'));
    await repository.sweep();
    const kept = (await generationHistory(repository.pool, devel, { limit: 100 })).filter(
      (row) => row.snapshot,
    );
    const last = (await newest()).number;
    expect(kept.map((row) => row.number)).toEqual([last, last - 1, last - 2]);
    const names = await readdir(path.join(places.root, 'snapshot'));
    expect(names.toSorted()).toEqual([
      ...kept.map((row) => String(row.snapshot)).toSorted(),
      'index.html',
      'index.json',
    ]);
    expect((await readdir(places.generations)).map(Number).toSorted((a, b) => a - b)).toEqual([
      last - 2,
      last - 1,
      last,
    ]);
    const { rows } = await repository.pool.query<{ path: string }>(
      `select path from kept_files where queue = 'devel' and path like '%/app_%.deb' order by path`,
    );
    expect(rows.map((row) => path.basename(row.path))).toEqual(
      ['3.0', '4.0', '5.0'].map((version) => `app_${version}_amd64.deb`),
    );
  });

  test('what changed nothing takes no place', async () => {
    const before = await newest();
    repository.setClock(new Date(Date.now() + 3 * DAY_MS));
    await repository.sweep();
    expect(await newest()).toMatchObject({ number: before.number + 1, cause: 'renewal' });
    const kept = await generationHistory(repository.pool, devel, { limit: 100 });
    expect(kept.filter((row) => row.snapshot)).toHaveLength(4);
    repository.setClock(null);
  });

  test('a queue may keep its own by days, and lets them go when nothing else happens', async () => {
    const start = Date.now();
    for (const version of ['1', '2', '3', '4']) await arrive({ source: 'firm', version, queue: 'stable' });
    const stable = async (): Promise<number> => {
      const rows = await generationHistory(repository.pool, { ...devel, queue: 'stable' }, { limit: 100 });
      return rows.filter((row) => row.snapshot && row.added > 0).length;
    };
    expect(await stable()).toBe(4);
    repository.setClock(new Date(start + 6 * DAY_MS));
    await repository.sweep();
    expect(await stable()).toBe(2);
    repository.setClock(null);
  });
});

test('Release is signed anew when half of its time is over, and after the repository was down for longer', async () => {
  const past = await openTestRepository({ repository: { validDays: 4 } });
  const live = await buildLiveServer({ root: past.home.staging, common: past.common, log: past.log });
  try {
    const address = await live.listen({ host: '127.0.0.1', port: 0 });
    const causes = async (): Promise<string[]> =>
      (await generationHistory(past.pool, devel, { limit: 100 })).map((row) => row.cause);
    past.setClock(new Date(Date.now() - 20 * DAY_MS));
    await past.sweep();
    past.setClock(new Date(Date.now() - 18.1 * DAY_MS));
    await past.sweep();
    expect(await causes()).toEqual(['initial']);
    past.setClock(new Date(Date.now() - 17.9 * DAY_MS));
    await past.sweep();
    expect(await causes()).toEqual(['renewal', 'initial']);
    const client = await makeAptClient(past, address, ['devel']);
    expect((await client.apt('apt-get', 'update')).stderr.toString()).toContain('is expired');
    past.setClock(null);
    await past.sweep();
    expect(await causes()).toEqual(['renewal', 'renewal', 'initial']);
    expect(await client.apt('apt-get', 'update')).toMatchObject({ code: 0 });
    const old = (await generationHistory(past.pool, devel, { limit: 100 })).at(-1)?.snapshot ?? '';
    const text = await readFile(
      path.join(past.home.staging, 'devel/snapshot', old, 'dists/bookworm/Release'),
      'utf8',
    );
    expect(text).toContain('Valid-Until:');
  } finally {
    await live.close();
    await past.dispose();
  }
});
