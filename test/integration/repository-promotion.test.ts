import { stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { placesOf } from '../../services/repository/places.ts';
import type { NewOrder, OrderRow } from '../../shared/protocol/tables.ts';
import { handOver, makeSet, openTestRepository, type PackageOptions } from './repository-support.ts';

const repository = await openTestRepository();
let generationsTold = 0;
const proc = createQueueProc(repository, () => {
  generationsTold += 1;
});

beforeAll(async () => {
  await repository.sweep();
  await repository.pool.query(`
    insert into garage.accounts (login, email, admin) values
      ('root-admin', 'a@example.org', true), ('owner', 'o@example.org', false), ('stranger', 's@example.org', false)`);
  await repository.pool.query(`
    insert into garage.maintainers (product, source, account_id)
      select 'bookworm', 'app', id from garage.accounts where login = 'owner'`);
  const binaries = [
    { name: 'app', architecture: 'amd64' },
    { name: 'app-data', architecture: 'all' },
  ];
  await arrive({ source: 'app', version: '1.0', binaries });
});
afterAll(() => repository.dispose());

async function arrive(options: PackageOptions): Promise<void> {
  await handOver(repository, await makeSet(repository, options));
  await repository.sweep();
}

async function insertOrder(part: Partial<NewOrder>): Promise<string> {
  const wanted: NewOrder = {
    ...{ kind: 'promote', product: 'bookworm', source: 'app', source_version: null },
    ...{ from_queue: 'devel', to_queue: 'testing', requested_by: null },
    ...part,
  };
  const { rows } = await repository.pool.query<{ id: string }>(
    `insert into orders (kind, product, source, source_version, from_queue, to_queue, requested_by)
     values ($1, $2, $3, $4, $5, $6, $7) returning id`,
    [
      ...[wanted.kind, wanted.product, wanted.source, wanted.source_version],
      ...[wanted.from_queue, wanted.to_queue, wanted.requested_by],
    ],
  );
  return rows[0]?.id ?? '';
}

async function rowOf(id: string): Promise<OrderRow> {
  const { rows } = await repository.pool.query<OrderRow>('select * from orders where id = $1', [id]);
  return rows[0] as OrderRow;
}

async function order(wanted: Partial<NewOrder>): Promise<OrderRow> {
  const id = await insertOrder(wanted);
  await proc.run();
  return rowOf(id);
}

async function held(queue: string, source = 'app'): Promise<unknown[]> {
  const { rows } = await repository.pool.query<object>(
    'select source_version, binaries from published where queue = $1 and source = $2 order by 1',
    [queue, source],
  );
  return rows;
}

describe('refusals say what is wrong and change nothing', () => {
  const refusals: { what: string; wanted: Partial<NewOrder>; code: string; words: string }[] = [
    { what: 'a stranger', wanted: { requested_by: 'stranger' }, code: 'not-allowed', words: 'stranger' },
    { what: 'nobody known', wanted: { requested_by: 'ghost' }, code: 'not-allowed', words: 'maintainers' },
    {
      what: 'an unknown queue',
      wanted: { to_queue: 'gold' },
      code: 'queue-unknown',
      words: "no queue 'gold'",
    },
    {
      what: 'a way back',
      wanted: { from_queue: 'testing', to_queue: 'devel' },
      code: 'queue-order',
      words: 'devel, then testing, then stable',
    },
    { what: 'the same queue', wanted: { to_queue: 'devel' }, code: 'queue-order', words: 'come after' },
    {
      what: 'an unknown product',
      wanted: { product: 'woody' },
      code: 'product-unknown',
      words: "no product 'woody'",
    },
    {
      what: 'a source that is not there',
      wanted: { source: 'absent' },
      code: 'source-not-there',
      words: 'absent',
    },
    {
      what: 'a version that is gone',
      wanted: { source_version: '0.9' },
      code: 'version-not-there',
      words: 'app 1.0, not 0.9',
    },
  ];
  test.each(refusals)('$what: $code', async ({ wanted, code, words }) => {
    const row = await order(wanted);
    expect(row).toMatchObject({ status: 'refused', reason_code: code, generation_id: null });
    expect(row.reason).toContain(words);
    expect(row.finished_at).toBeInstanceOf(Date);
    expect(await held('testing')).toEqual([]);
  });
});

test('a maintainer promotes the source with all its binaries, as hard links and a generation', async () => {
  const told = generationsTold;
  const row = await order({ requested_by: 'owner' });
  expect(row).toMatchObject({ status: 'done', reason: null });
  expect(await held('testing')).toEqual([{ source_version: '1.0', binaries: ['app_amd64', 'app-data_all'] }]);
  expect(generationsTold).toBe(told + 1);
  const { rows } = await repository.pool.query('select cause, who, added from generations where id = $1', [
    row.generation_id,
  ]);
  expect(rows).toEqual([{ cause: 'promotion', who: 'owner', added: 3 }]);
  const file = 'main/a/app/app_1.0_amd64.deb';
  const [from, to] = await Promise.all(
    ['devel', 'testing'].map((queue) =>
      stat(path.join(placesOf(repository.home, queue, 'bookworm').pool, file)),
    ),
  );
  expect(to?.ino).toBe(from?.ino);
});

test('what is already there is refused, from any queue', async () => {
  const row = await order({ requested_by: 'root-admin' });
  expect(row).toMatchObject({
    status: 'refused',
    reason_code: 'already-there',
    reason: 'testing already has app 1.0.',
  });
});

test('a newer version takes the place of the whole old source; an older one is refused then', async () => {
  expect((await order({ from_queue: 'testing', to_queue: 'stable' })).status).toBe('done');
  await arrive({ source: 'app', version: '2.0' });
  expect((await order({ from_queue: 'devel', to_queue: 'stable', source_version: '2.0' })).status).toBe(
    'done',
  );
  expect(await held('stable')).toEqual([{ source_version: '2.0', binaries: ['app_amd64'] }]);
  const row = await order({ from_queue: 'testing', to_queue: 'stable' });
  expect(row).toMatchObject({ status: 'refused', reason_code: 'version-older' });
});

test('one order that cannot be carried out now does not stop the next', async () => {
  await arrive({ source: 'left' });
  await arrive({ source: 'right' });
  const left = await insertOrder({ source: 'left' });
  const right = await insertOrder({ source: 'right' });
  repository.crashAfter('order-linked');
  await proc.run();
  expect(await rowOf(left)).toMatchObject({
    ...{ status: 'accepted', reason_code: 'repository-error' },
    reason: 'The repository could not carry it out and tries again each minute. Its log says more.',
  });
  expect((await rowOf(right)).status).toBe('done');
  await proc.run();
  expect(await rowOf(left)).toMatchObject({ status: 'done', reason_code: null, reason: null });
});

test('a publish that fails says so on each of its orders, until they are done', async () => {
  const sources = ['one', 'two'];
  for (const source of sources) await arrive({ source });
  const ids = await Promise.all(sources.map((source) => insertOrder({ source })));
  repository.crashAfter('generation-written');
  await proc.run();
  const waiting = { status: 'accepted', reason_code: 'repository-error' };
  expect(await Promise.all(ids.map(rowOf))).toMatchObject([waiting, waiting]);
  await proc.run();
  const done = { status: 'done', reason: null };
  expect(await Promise.all(ids.map(rowOf))).toMatchObject([done, done]);
});

test('while garage has no schema, an order waits and says so', async () => {
  await repository.pool.query('alter view garage.promotion_rights rename to hidden_rights');
  await arrive({ source: 'waiting' });
  const row = await order({ source: 'waiting', requested_by: 'root-admin' });
  expect(row).toMatchObject({ status: 'requested', reason_code: 'rights-unavailable', finished_at: null });
  await repository.pool.query('alter view garage.hidden_rights rename to promotion_rights');
  await proc.run();
  expect(await rowOf(row.id)).toMatchObject({ status: 'done', reason_code: null, reason: null });
});

const tool = (version: string) => [{ name: 'tool', architecture: 'amd64', version }];

test('a promotion never takes over a binary that another source holds in the target queue', async () => {
  await arrive({ source: 'tool', version: '1.0', binaries: tool('1.0') });
  expect(await order({ source: 'tool' })).toMatchObject({ status: 'done' });
  await arrive({ source: 'tool', version: '2.0', binaries: [{ name: 'tool-core', architecture: 'amd64' }] });
  await arrive({ source: 'other-tool', version: '3.0', binaries: tool('3.0') });
  expect(await order({ source: 'other-tool' })).toMatchObject({
    status: 'refused',
    reason_code: 'binary-taken',
    reason: 'Binary package tool belongs to source tool in testing.',
  });
  expect(await order({ source: 'tool' })).toMatchObject({ status: 'done' });
  expect(await order({ source: 'other-tool' })).toMatchObject({ status: 'done' });
});

test('what is ordered at once for a queue is one publish, and one bad order fails alone', async () => {
  const sources = ['bulk-a', 'bulk-b', 'bulk-c'];
  for (const source of sources) await handOver(repository, await makeSet(repository, { source }));
  await repository.sweep();
  const count = async (): Promise<number> => {
    const { rows } = await repository.pool.query<{ count: number }>(
      `select count(*)::int as count from generations where queue = 'testing'`,
    );
    return rows[0]?.count ?? 0;
  };
  const before = await count();
  const good: string[] = [];
  for (const source of sources) good.push(await insertOrder({ source }));
  const bad = await insertOrder({ source: 'absent', requested_by: 'root-admin' });
  const twice = await insertOrder({ source: 'bulk-a' });
  const onward = await insertOrder({ source: 'bulk-a', from_queue: 'testing', to_queue: 'stable' });
  await proc.run();
  expect(await count()).toBe(before + 1);
  const rows = await Promise.all(good.map(rowOf));
  expect(new Set(rows.map((row) => row.generation_id)).size).toBe(1);
  expect(rows.map((row) => row.status)).toEqual(['done', 'done', 'done']);
  expect(await rowOf(bad)).toMatchObject({ status: 'refused', reason_code: 'source-not-there' });
  expect(await rowOf(twice)).toMatchObject({ status: 'refused', reason_code: 'already-there' });
  // It was ordered after what brings it to testing, and is carried out after that.
  expect(await rowOf(onward)).toMatchObject({ status: 'done' });
});
