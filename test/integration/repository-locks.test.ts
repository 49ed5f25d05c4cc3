import { afterAll, expect, test } from 'vitest';
import { lockedTransaction, withQueueLock } from '../../services/repository/locks.ts';
import { openTestRepository } from './repository-support.ts';

const repository = await openTestRepository();
afterAll(() => repository.dispose());
const at = { kind: 'publish', queue: 'devel', product: 'bookworm' } as const;

test('one holder for each queue and product; the second leaves, or waits as long as it was told', async () => {
  const inside = await withQueueLock(repository.pool, { ...at, waitMs: 0 }, async () => ({
    atOnce: await withQueueLock(repository.pool, { ...at, waitMs: 0 }, () => Promise.resolve('held')),
    later: await withQueueLock(repository.pool, { ...at, waitMs: 100 }, () => Promise.resolve('held')),
    other: await withQueueLock(repository.pool, { ...at, queue: 'testing', waitMs: 0 }, () =>
      Promise.resolve('held'),
    ),
  }));
  expect(inside).toEqual({ atOnce: null, later: null, other: 'held' });
  expect(await withQueueLock(repository.pool, { ...at, waitMs: 100 }, () => Promise.resolve('held'))).toBe(
    'held',
  );
});

test('a waiter gets the lock when the holder is done', async () => {
  const { promise: release, resolve } = Promise.withResolvers<void>();
  const holder = withQueueLock(repository.pool, { ...at, waitMs: 0 }, () => release);
  const waiter = withQueueLock(repository.pool, { ...at, waitMs: 10_000 }, () => Promise.resolve('held'));
  resolve();
  await holder;
  expect(await waiter).toBe('held');
});

test('a holder whose connection broke has lost the lock and can commit nothing', async () => {
  const lost = withQueueLock(repository.pool, { ...at, waitMs: 0 }, async (lock) => {
    const { rows } = await lock.client.query<{ pid: number }>('select pg_backend_pid() as pid');
    await repository.pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    const second = await withQueueLock(repository.pool, { ...at, waitMs: 5_000 }, () =>
      Promise.resolve('second'),
    );
    expect(second).toBe('second');
    await lockedTransaction(lock, (client) => client.query('select 1'));
  });
  await expect(lost).rejects.toThrow(/terminat|closed|not queryable/i);
});
