/** Pages, status and metrics cost what is current, however many generations and orders lie behind. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Queryable } from '../../shared/database/pool.ts';
import { orderRoutes } from '../../services/garage/api/orders.ts';
import { liveTargets } from '../../services/garage/web/pages/live-targets.ts';
import { orderRows } from '../../services/garage/web/pages/orders.ts';
import { createMetrics } from '../../services/repository/metrics.ts';
import { observeTargets } from '../../services/repository/sync/metrics.ts';
import { findDue } from '../../services/repository/sync/rqp.ts';
import { readStatus } from '../../services/repository/sync/status.ts';
import { registerTargets, targetsOf } from '../../services/repository/sync/targets.ts';
import { openTestRepository } from './repository-support.ts';

const HISTORY = 20_000;
/** Pages of 8 KiB: some for each pair and row that is shown; the history has hundreds in each table. */
const MAX_PAGES_READ = 150;
const repository = await openTestRepository();

beforeAll(async () => {
  const { pool } = repository;
  await pool.query(
    `insert into generations (queue, product, number, status, cause)
     select queue, 'bookworm', number, case number when $1 then 'preparing' else 'live' end, 'test'
       from unnest(array['devel', 'testing', 'stable']) as queue, generate_series(1, $1) as number`,
    [HISTORY],
  );
  await pool.query(
    `insert into orders (kind, product, source, from_queue, to_queue, status, finished_at)
     select 'promote', case when n % 4 = 0 then 'trixie' else 'bookworm' end, 'source' || n % 500, 'devel', 'testing',
            case when n in (7, 11) then 'refused' when n = 9 then 'requested' else 'done' end, now()
       from generate_series(1, $1::int) as n`,
    [HISTORY],
  );
  await pool.query('analyze');
  await registerTargets(pool, targetsOf(repository));
});
afterAll(() => repository.dispose());

/** Runs each statement as it is, and once more to be told how many pages it reads. */
function watched(): { database: Queryable; pagesRead: () => number } {
  let pages = 0;
  const query = async (sql: string, values: unknown[] = []): Promise<unknown> => {
    const explain = `explain (analyze, buffers, format json) ${sql}`;
    const { rows } = await repository.pool.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
      explain,
      values,
    );
    const plan = rows[0]!['QUERY PLAN'][0].Plan;
    pages += (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
    return repository.pool.query(sql, values);
  };
  return { database: { query } as never, pagesRead: () => pages };
}

/** What the route answers with to these parameters. */
async function askApi(database: Queryable, query: object): Promise<{ items: { id: string }[] }> {
  let answer: ((request: { query: object }) => Promise<{ items: { id: string }[] }>) | undefined;
  orderRoutes({
    web: { garage: { pool: database } },
    get: (_path: string, _options: unknown, handler: typeof answer) => void (answer = handler),
  } as never);
  return answer!({ query: { limit: 50, ...query } });
}

test.each([
  ['status of targets', readStatus],
  ['the page of live targets', liveTargets],
] as const)('%s shows the newest that was published', async (_name, read) => {
  const { database, pagesRead } = watched();
  const rows = await read(database);
  expect(rows.map(({ queue, newest }) => [queue, newest])).toEqual(
    ['devel', 'testing', 'stable'].map((queue) => [queue, HISTORY - 1]),
  );
  expect(pagesRead()).toBeLessThan(MAX_PAGES_READ);
});

test('metrics and the look for what is due read no history', async () => {
  const { database, pagesRead } = watched();
  const metrics = createMetrics();
  await observeTargets(database, metrics);
  const { values } = await metrics.targetBehind.get();
  expect(values.map(({ value }) => value)).toEqual([HISTORY - 1, HISTORY - 1, HISTORY - 1]);
  const [target] = targetsOf(repository);
  expect(await findDue({ ...repository, pool: database as never }, target!)).toHaveLength(3);
  expect(pagesRead()).toBeLessThan(2 * MAX_PAGES_READ);
});

test.each([
  ['a product', { product: 'trixie' }, 50],
  ['a source', { source: 'source7' }, HISTORY / 500],
  ['a source of a product', { product: 'bookworm', source: 'source7' }, HISTORY / 500],
  ['what was refused', { status: 'refused' }, 2],
  ['what is open', { status: 'requested' }, 1],
  ['nothing in particular', {}, 50],
])('orders of %s are found by an index', async (_name, asked, count) => {
  const { database, pagesRead } = watched();
  const { items } = await askApi(database, asked);
  expect(items).toHaveLength(count);
  expect(pagesRead()).toBeLessThan(MAX_PAGES_READ);
});

test('the page of a source and of a queue reads its own orders alone', async () => {
  const { database, pagesRead } = watched();
  expect(await orderRows(database, { product: 'bookworm', source: 'source7' }, 20)).toHaveLength(20);
  expect(await orderRows(database, { product: 'bookworm', queue: 'testing' }, 20)).toHaveLength(20);
  expect(await orderRows(database, { product: 'none' }, 20)).toEqual([]);
  expect(pagesRead()).toBeLessThan(3 * MAX_PAGES_READ);
});
