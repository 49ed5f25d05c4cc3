/** Patches between generations, fetched and applied by the real apt. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { transaction } from '../../shared/database/pool.ts';
import { generationHistory } from '../../shared/protocol/generation-history.ts';
import { orderRollback } from '../../shared/protocol/rollback-order.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  type AptClient,
  type PackageOptions,
  type TestRepository,
} from './repository-support.ts';

const AT = { queue: 'devel', product: 'bookworm' };
/** Patches that are together larger than the index would not be offered. */
const MANY = Array.from({ length: 24 }, (_, at) => ({ name: `part-${String(at)}`, architecture: 'amd64' }));
const PAIR = ['pair-a', 'pair-b'].map((name) => ({ name, architecture: 'amd64' }));

let repository: TestRepository;
let live: Awaited<ReturnType<typeof serveLive>>;
let client: AptClient;
let asked: string[] = [];

async function publish(options: PackageOptions): Promise<void> {
  await handOver(repository, await makeSet(repository, options));
  expect(await sweepQueue(repository, AT)).toBe(true);
  await createRqp(repository).run();
}

/** What `apt-get update` fetched, relative to the distribution. */
async function update(by = client): Promise<string[]> {
  asked = [];
  const { code, stderr } = await by.apt('apt-get', 'update', '-o', 'Acquire::PDiffs=true');
  expect(`${String(code)} ${stderr.toString('utf8')}`).toBe('0 ');
  return asked.map((url) => url.replace(/^\/[a-z]+\/(?:dists\/bookworm|generations\/bookworm\/\d+)\//, ''));
}

/** A promotion or a roll-back, ordered, carried out and brought to live. */
async function order(work: () => Promise<string>): Promise<void> {
  const id = await work();
  await createQueueProc(repository, () => undefined).run();
  const { rows } = await repository.pool.query('select status, reason from orders where id = $1', [id]);
  expect(rows).toEqual([{ status: 'done', reason: null }]);
  await createRqp(repository).run();
}

function promote(source: string): Promise<void> {
  return order(async () => {
    const { rows } = await repository.pool.query<{ id: string }>(
      `insert into orders (kind, product, source, from_queue, to_queue)
       values ('promote', 'bookworm', $1, 'devel', 'testing') returning id`,
      [source],
    );
    return rows[0]?.id ?? '';
  });
}

/** To what the generation so many before the newest held. */
function rollBack(at: typeof AT, steps: number): Promise<void> {
  return order(async () => {
    const rows = await generationHistory(repository.pool, at, { limit: steps + 1 });
    const [seen, to] = [rows[0]?.number ?? 0, rows[steps]?.number ?? 0];
    return transaction(repository.pool, (database) =>
      orderRollback(database, { ...at, to, seen, requestedBy: null }),
    );
  });
}

async function candidate(name: string, by = client): Promise<string> {
  const { stdout } = await by.apt('apt-cache', 'policy', name);
  return /Candidate: (.*)/.exec(stdout.toString('utf8'))?.[1] ?? 'none';
}

const PATCH = /^main\/binary-amd64\/Packages\.diff\/\d{8}T\d{6}Z\.gz$/;
const patches = (urls: readonly string[]): number => urls.filter((url) => PATCH.test(url)).length;
/** The whole index, under its name or its sum. */
const isWhole = (url: string): boolean => /^main\/binary-amd64\/(?:Packages\.(?:gz|xz)|by-hash\/)/.test(url);

beforeAll(async () => {
  repository = await openTestRepository({
    repository: { pdiffs: true, translations: false, contents: false, keyringPackage: false },
  });
  live = await serveLive(repository);
  live.server.server.on('request', (request) => asked.push(request.url ?? ''));
  await repository.sweep();
  await publish({ source: 'parts', binaries: MANY });
  await publish({ source: 'pair', binaries: PAIR });
  client = await makeAptClient(repository, live.url, ['devel']);
});
afterAll(async () => {
  await live.server.close();
  await repository.dispose();
});

describe('with Acquire::PDiffs', () => {
  test('an update fetches what changed and not the index', async () => {
    expect((await update()).some(isWhole)).toBe(true);
    await publish({ source: 'hello' });
    const urls = await update();
    expect(patches(urls)).toBe(1);
    expect(urls.filter(isWhole)).toEqual([]);
    expect(await candidate('hello')).toBe('1.0');
  });

  test('a client that was away applies one after the other, changes and removals', async () => {
    await publish({ source: 'hello', version: '1.1' });
    await publish({ source: 'another' });
    await publish({ source: 'pair', version: '2.0', binaries: PAIR.slice(0, 1) });
    const urls = await update();
    expect(patches(urls)).toBe(3);
    expect(urls.filter(isWhole)).toEqual([]);
    expect(await candidate('hello')).toBe('1.1');
    expect(await candidate('pair-a')).toBe('2.0');
    expect(await candidate('pair-b')).toBe('none');
  });

  test('an index that is made anew has no patches, and the next one starts again', async () => {
    await rm(placesOf(repository.home, AT.queue, AT.product).states, { recursive: true });
    await publish({ source: 'third' });
    const folder = path.join(repository.home.live, 'devel/dists/bookworm/main/binary-amd64');
    expect(await readdir(folder)).not.toContain('Packages.diff');
    expect((await update()).some(isWhole)).toBe(true);
    expect(await candidate('third')).toBe('1.0');
    await publish({ source: 'fourth' });
    expect(patches(await update())).toBe(1);
    expect(await candidate('fourth')).toBe('1.0');
  });

  test('a roll-back is a patch like any other, and what comes after it too', async () => {
    await publish({ source: 'hello', version: '1.2' });
    await publish({ source: 'pair', version: '3.0', binaries: PAIR });
    await update();
    expect([await candidate('hello'), await candidate('pair-b')]).toEqual(['1.2', '3.0']);
    await rollBack(AT, 2);
    const urls = await update();
    expect(patches(urls)).toBe(1);
    expect(urls.filter(isWhole)).toEqual([]);
    expect([await candidate('hello'), await candidate('pair-b')]).toEqual(['1.1', 'none']);
    await publish({ source: 'hello', version: '1.3' });
    expect(patches(await update())).toBe(1);
    expect(await candidate('hello')).toBe('1.3');
  });

  test('who was away over a change, its roll-back and another change ends where everybody is', async () => {
    await publish({ source: 'fifth' });
    await rollBack(AT, 1);
    await publish({ source: 'sixth' });
    const urls = await update();
    // Its own state is in the history twice: apt may begin at either.
    expect(patches(urls)).toBeGreaterThan(0);
    expect(urls.filter(isWhole)).toEqual([]);
    expect([await candidate('fifth'), await candidate('sixth')]).toEqual(['none', '1.0']);
  });

  test('promotions bring patches to the next queue, and rolling one back there too', async () => {
    await promote('parts');
    const other = await makeAptClient(repository, live.url, ['testing']);
    expect((await update(other)).some(isWhole)).toBe(true);
    await promote('hello');
    await promote('pair');
    const urls = await update(other);
    expect(patches(urls)).toBe(2);
    expect(urls.filter(isWhole)).toEqual([]);
    expect([await candidate('hello', other), await candidate('pair-a', other)]).toEqual(['1.3', '2.0']);
    await rollBack({ queue: 'testing', product: 'bookworm' }, 1);
    const back = await update(other);
    expect(patches(back)).toBe(1);
    expect(back.filter(isWhole)).toEqual([]);
    expect([await candidate('hello', other), await candidate('pair-a', other)]).toEqual(['1.3', 'none']);
  });
});
