/**
 * kill -9 between any two steps, as an error thrown there: the next run ends in the same state as one that
 * was never disturbed. The steps are those that an undisturbed run passes.
 */
import { readdir, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const SET_STEPS = [
  ...['set-recorded', 'set-claimed', 'sets-in-pool', 'generation-preparing', 'indexes-written'],
  ...['generation-written', 'generation-staging', 'generation-staged', 'generation-switched'],
  ...['snapshots-linked', 'snapshots-listed', 'marker-touched'],
];
const QUARANTINE_STEPS = ['set-recorded', 'set-quarantined'];
const ORDER_STEPS = [
  ...['order-accepted', 'order-linked', 'generation-preparing', 'indexes-written'],
  ...['generation-written', 'generation-staging', 'generation-staged', 'generation-switched'],
  ...['snapshots-linked', 'snapshots-listed', 'marker-touched'],
];
const SYNC_STEPS = ['synced', 'marked-live'];

const repository = await openTestRepository();
const proc = createQueueProc(repository, () => undefined);
const rqp = createRqp(repository, { retryFirstMs: 0 });
beforeAll(async () => {
  await repository.sweep();
  await rqp.run();
  repository.passed();
});
afterAll(() => repository.dispose());

async function sweepThroughCrash(): Promise<void> {
  await repository.sweep().catch((error: unknown) => {
    if (!String(error).includes('crash after')) throw error;
  });
}

/** What must hold after every recovery. */
async function expectWhole(queue: string): Promise<void> {
  const places = placesOf(repository.home, queue, 'bookworm');
  const { rows } = await repository.pool.query<{ number: number; status: string }>(
    'select number, status from generations where queue = $1 order by number',
    [queue],
  );
  expect(rows.filter((row) => row.status === 'preparing')).toEqual([]);
  expect(rows.map((row) => row.number)).toEqual(rows.map((_, index) => index + 1));
  expect(path.basename(await readlink(places.dists))).toBe(String(rows.length));
  const folders = (await readdir(places.generations)).map(Number);
  expect(Math.max(...folders)).toBe(rows.length);
}

async function countMembers(queue: string, source: string): Promise<number> {
  const { rows } = await repository.pool.query<{ count: number }>(
    `select count(*)::int as count from members m join packages p on p.id = m.package_id
      where m.queue = $1 and p.source = $2`,
    [queue, source],
  );
  return rows[0]?.count ?? 0;
}

describe('a set', () => {
  test('passes exactly these steps', async () => {
    await handOver(repository, await makeSet(repository, { source: 'steps' }));
    await repository.sweep();
    expect(repository.passed()).toEqual(SET_STEPS);
  });

  test.each(SET_STEPS)('crash after %s', async (step) => {
    const source = `set-${step}`;
    const id = await handOver(repository, await makeSet(repository, { source }));
    repository.crashAfter(step);
    await sweepThroughCrash();
    await repository.sweep();
    const { rows } = await repository.pool.query(
      'select s.status, g.cause from sets s join generations g on g.id = s.generation_id where s.id = $1',
      [id],
    );
    expect(rows).toEqual([{ status: 'installed', cause: 'set' }]);
    expect(await countMembers('devel', source)).toBe(2);
    expect(await readdir(path.join(repository.home.repositoryIncoming, 'devel/bookworm'))).toEqual([]);
    await expectWhole('devel');
  });

  test.each(QUARANTINE_STEPS)('that is refused: crash after %s', async (step) => {
    repository.passed();
    const id = await handOver(repository, await makeSet(repository, { architecture: 'mips' }));
    repository.crashAfter(step);
    await sweepThroughCrash();
    await repository.sweep();
    const { rows } = await repository.pool.query('select status from sets where id = $1', [id]);
    expect(rows).toEqual([{ status: 'quarantined' }]);
    const folder = path.join(repository.home.repository, 'quarantine', id);
    expect(await readdir(folder)).toContain('REASON');
    expect(await readdir(path.join(repository.home.repositoryIncoming, 'devel/bookworm'))).toEqual([]);
  });
});

async function insertOrder(source: string): Promise<string> {
  await handOver(repository, await makeSet(repository, { source }));
  await repository.sweep();
  repository.passed();
  const { rows } = await repository.pool.query<{ id: string }>(
    `insert into orders (kind, product, source, from_queue, to_queue)
     values ('promote', 'bookworm', $1, 'devel', 'testing') returning id`,
    [source],
  );
  return rows[0]?.id ?? '';
}

describe('a promotion', () => {
  test('passes exactly these steps', async () => {
    await insertOrder('promoted');
    await proc.run();
    expect(repository.passed()).toEqual(ORDER_STEPS);
  });

  test.each(ORDER_STEPS)('crash after %s', async (step) => {
    const source = `order-${step}`;
    const id = await insertOrder(source);
    repository.crashAfter(step);
    await proc.run();
    await repository.sweep();
    await proc.run();
    const { rows } = await repository.pool.query(
      `select o.status, g.cause from orders o join generations g on g.id = o.generation_id where o.id = $1`,
      [id],
    );
    expect(rows).toEqual([{ status: 'done', cause: 'promotion' }]);
    expect(await countMembers('testing', source)).toBe(2);
    await expectWhole('testing');
  });
});

test.each(SYNC_STEPS)('a sync: crash after %s', async (step) => {
  await handOver(repository, await makeSet(repository, { source: `sync-${step}` }));
  await repository.sweep();
  await rqp.run(); // whatever else was due
  await handOver(repository, await makeSet(repository, { source: `sync2-${step}` }));
  await repository.sweep();
  repository.crashAfter(step);
  await rqp.run();
  await rqp.run();
  const { rows } = await repository.pool.query(`select 1 from generations where status <> 'live'`);
  expect(rows).toEqual([]);
  const staging = await readdir(path.join(repository.home.staging, 'devel'));
  expect(staging.filter((name) => name.includes('changed'))).toEqual([]);
});

test('a marker and a link that are lost, and a generation folder that is gone, come back', async () => {
  const { rows } = await repository.pool.query<{ number: number }>(
    `select max(number) as number from generations where queue = 'stable'`,
  );
  const places = placesOf(repository.home, 'stable', 'bookworm');
  await rm(places.dists);
  await repository.sweep();
  expect(path.basename(await readlink(places.dists))).toBe(String(rows[0]?.number));
  await rm(places.generations, { recursive: true });
  await repository.sweep();
  expect(path.basename(await readlink(places.dists))).toBe(String((rows[0]?.number ?? 0) + 1));
});
