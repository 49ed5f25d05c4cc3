/** What each live target has, for commands and health. */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { TargetHealth } from '../../../shared/protocol/tables.ts';

export interface HookStatus {
  label: string;
  status: 'pending' | 'done' | 'failed' | 'superseded' | 'dropped';
  attempts: number;
  errorCode: string | null;
  error: string | null;
  nextTryAt: Date | null;
  at: Date;
}

export interface TargetStatus {
  target: string;
  kind: 'local' | 'ssh' | 'rsync' | 'rclone';
  location: string;
  required: boolean;
  publicUrl: string | null;
  queue: string;
  product: string;
  health: TargetHealth;
  /** Null before the first sync. */
  generation: number | null;
  /** The newest that is staged. */
  newest: number;
  failures: number;
  failingSince: Date | null;
  nextTryAt: Date | null;
  errorCode: string | null;
  error: string | null;
  triedAt: Date | null;
  syncedAt: Date | null;
  /** Of the last sync that succeeded. */
  files: number | null;
  bytes: number | null;
  durationMs: number | null;
  /** What a person asked for and is not done yet. */
  asked: 'full' | 'verify' | null;
  /** The last call of each hook. */
  hooks: HookStatus[];
}

/** Targets in the order of the configuration with the queues and products that they take. */
export async function readStatus(database: Queryable): Promise<TargetStatus[]> {
  const { rows } = await database.query<TargetStatus>(
    `select t.name as target, t.kind, t.location, t.required, t.public_url as "publicUrl", g.queue, g.product,
            coalesce(s.health, 'new') as health, s.generation, g.number as newest, coalesce(s.failures, 0) as failures,
            s.failing_since as "failingSince", s.next_try_at as "nextTryAt", s.error_code as "errorCode", s.error,
            s.tried_at as "triedAt", s.synced_at as "syncedAt", s.files, s.bytes::float8 as bytes,
            s.duration_ms as "durationMs", s.asked, '[]'::json as hooks
       from sync_targets t
       join newest_generations g on g.queue = any(t.queues)
       left join sync_states s on s.target = t.name and s.queue = g.queue and s.product = g.product
      order by t.position, array_position(t.queues, g.queue), g.product`,
  );
  const hooks = await lastCalls(database);
  return rows.map((row) => ({
    ...row,
    hooks: hooks
      .filter(
        (each) => each.target === row.target && each.queue === row.queue && each.product === row.product,
      )
      .map(({ label, status, attempts, errorCode, error, nextTryAt, at }) => ({
        ...{ label, status, attempts, errorCode, error, at },
        nextTryAt: status === 'pending' ? nextTryAt : null,
      })),
  }));
}

interface LastCall extends HookStatus {
  target: string;
  queue: string;
  product: string;
}

async function lastCalls(database: Queryable): Promise<LastCall[]> {
  const { rows } = await database.query<LastCall>(
    `select distinct on (target, queue, product, hook) target, queue, product, label, status, attempts,
            error_code as "errorCode", error, next_try_at as "nextTryAt", coalesce(finished_at, created_at) as at
       from sync_deliveries order by target, queue, product, hook, id desc`,
  );
  return rows;
}

/** Names of the targets that are not well, with since when. */
export async function failingTargets(
  database: Queryable,
): Promise<{ target: string; health: string; since: Date }[]> {
  const { rows } = await database.query<{ target: string; health: string; since: Date }>(
    `select s.target, max(s.health) as health, min(s.failing_since) as since
       from sync_states s join sync_targets t on t.name = s.target
      where s.failures > 0 group by s.target order by s.target`,
  );
  return rows;
}
