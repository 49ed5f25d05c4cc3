/**
 * One writer for each product in each queue, across processes: a PostgreSQL advisory lock that belongs to
 * a connection. What must not happen without the lock is written through that connection, so a holder
 * that lost it cannot commit.
 */
import type { Client, Pool } from '../../shared/database/pool.ts';
import { createSlots } from './slots.ts';

export interface QueueLock {
  queue: string;
  product: string;
  /** The connection that holds the lock. */
  client: Client;
}

/** `publish`: whoever changes what a queue holds. `sync`: whoever copies it to live. */
export type LockKind = 'publish' | 'sync';

/**
 * Locks held at once by this process. Each takes a connection of the pool's twelve and its holder may
 * need one more, so all of them always find one.
 */
const MAX_HELD = 5;
const slots = createSlots(MAX_HELD);

/**
 * Runs `work` under the lock. Waits for it at most `waitMs` (0: not at all); returns null when somebody
 * else holds it for longer.
 */
export async function withQueueLock<T>(
  pool: Pool,
  at: { kind: LockKind; queue: string; product: string; waitMs: number },
  work: (lock: QueueLock) => Promise<T>,
): Promise<T | null> {
  return slots(() => holdLock(pool, at, work));
}

async function holdLock<T>(
  pool: Pool,
  at: { kind: LockKind; queue: string; product: string; waitMs: number },
  work: (lock: QueueLock) => Promise<T>,
): Promise<T | null> {
  const key = `autobuilder repository ${at.kind} ${at.queue}/${at.product}`;
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that breaks between two queries emits; the next query on it throws.
  const onBroken = (error: Error): void => {
    broken = error;
  };
  client.on('error', onBroken);
  try {
    if (!(await acquire(client, key, at.waitMs))) return null;
    try {
      return await work({ queue: at.queue, product: at.product, client });
    } finally {
      await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', [key]).catch(onBroken);
    }
  } finally {
    client.off('error', onBroken);
    // A connection that may still hold the lock is closed, which lets it go.
    client.release(broken);
  }
}

/** PostgreSQL's code for a lock that was not to be had within lock_timeout. */
const LOCK_NOT_AVAILABLE = '55P03';

async function acquire(client: Client, key: string, waitMs: number): Promise<boolean> {
  if (waitMs === 0) {
    const { rows } = await client.query<{ held: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as held',
      [key],
    );
    return rows[0]?.held === true;
  }
  await client.query("select set_config('lock_timeout', $1, false)", [`${String(Math.ceil(waitMs))}ms`]);
  try {
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [key]);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === LOCK_NOT_AVAILABLE) return false;
    throw error;
  } finally {
    await client.query('reset lock_timeout').catch(() => undefined);
  }
}

/** A transaction on the lock's own connection: it commits only while the lock is held. */
export async function lockedTransaction<T>(
  lock: QueueLock,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  await lock.client.query('begin');
  try {
    const value = await work(lock.client);
    await lock.client.query('commit');
    return value;
  } catch (error) {
    await lock.client.query('rollback').catch(() => undefined);
    throw error;
  }
}
