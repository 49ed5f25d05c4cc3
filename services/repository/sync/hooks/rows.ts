/** Rows of `sync_deliveries`: one for each hook and sync, written with the state that they tell of. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Queryable } from '../../../../shared/database/pool.ts';
import type { HookConfig } from '../config.ts';
import type { Sent, SyncMode } from '../job.ts';
import type { At } from '../states.ts';
import type { Target } from '../targets.ts';

/** What a hook is told; the fields are a promise to whoever listens (docs/sync.md). */
export interface HookPayload {
  version: 1;
  event: 'synced';
  target: string;
  location: string;
  publicUrl: string | null;
  queue: string;
  product: string;
  generation: number;
  mode: SyncMode;
  files: number;
  bytes: number;
  /** ISO 8601. */
  at: string;
}

export interface Delivery {
  id: string;
  target: string;
  hook: string;
  attempts: number;
  payload: HookPayload;
}

/** The same definition is the same hook, wherever it stands in the list. */
export function hookKey(hook: HookConfig): string {
  return createHash('sha256')
    .update(JSON.stringify([hook.command ?? null, hook.url ?? null]))
    .digest('hex')
    .slice(0, 16);
}

/** For people; an address may hold a secret after its `?`. */
export function hookLabel(hook: HookConfig): string {
  if (hook.url === undefined) return `command ${path.basename(hook.command?.[0] ?? '')}`;
  const { host, pathname } = new URL(hook.url);
  return `webhook ${host}${pathname}`;
}

/** Writes what is to be told; what an older sync still had to tell of the same is superseded by it. */
export async function insertDeliveries(
  database: Queryable,
  target: Target,
  at: At,
  done: { generation: number; mode: SyncMode; sent: Sent },
): Promise<void> {
  for (const hook of target.hooks.filter((each) => each.queues?.includes(at.queue) ?? true)) {
    const payload: HookPayload = {
      ...{ version: 1, event: 'synced', target: target.name, location: target.text },
      ...{ publicUrl: target.publicUrl, ...at, generation: done.generation, mode: done.mode },
      ...{ ...done.sent, at: new Date().toISOString() },
    };
    const key = [target.name, at.queue, at.product, hookKey(hook)];
    await database.query(
      `update sync_deliveries set status = 'superseded', finished_at = now()
        where target = $1 and queue = $2 and product = $3 and hook = $4 and status = 'pending'`,
      key,
    );
    await database.query(
      'insert into sync_deliveries (target, queue, product, hook, label, payload) values ($1, $2, $3, $4, $5, $6)',
      [...key, hookLabel(hook), payload],
    );
  }
}

/** Hooks are called so many in one pass; the next pass takes the rest. */
const MAX_PER_PASS = 50;

export async function dueDeliveries(database: Queryable): Promise<Delivery[]> {
  const { rows } = await database.query<Delivery>(
    `select id, target, hook, attempts, payload from sync_deliveries
      where status = 'pending' and next_try_at <= now() order by id limit $1`,
    [MAX_PER_PASS],
  );
  return rows;
}

/** Compare-and-set: false when a newer one has superseded it meanwhile. */
export async function finishDelivery(
  database: Queryable,
  delivery: Delivery,
  end: { status: 'done' | 'failed' | 'dropped'; code?: string; error?: string },
): Promise<boolean> {
  const { rowCount } = await database.query(
    `update sync_deliveries set status = $2, attempts = attempts + 1, error_code = $3, error = $4,
            finished_at = now() where id = $1 and status = 'pending'`,
    [delivery.id, end.status, end.code ?? null, end.error ?? null],
  );
  return rowCount === 1;
}

export async function postponeDelivery(
  database: Queryable,
  delivery: Delivery,
  failure: { code: string; error: string; waitMs: number },
): Promise<void> {
  await database.query(
    `update sync_deliveries set attempts = attempts + 1, error_code = $2, error = $3,
            next_try_at = now() + $4::float8 * interval '1 millisecond' where id = $1 and status = 'pending'`,
    [delivery.id, failure.code, failure.error, failure.waitMs],
  );
}

/** What is over is kept for people to look at for so long. */
const KEPT_DAYS = 14;

export async function forgetDeliveries(database: Queryable): Promise<void> {
  await database.query(
    `delete from sync_deliveries where status <> 'pending' and finished_at < now() - $1::int * interval '1 day'`,
    [KEPT_DAYS],
  );
}
