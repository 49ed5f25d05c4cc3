/** Rows of `sync_states`: what each target has of each product in each queue. Its lane alone writes them. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import type { TargetHealth } from '../../../shared/protocol/tables.ts';
import type { Sent, SyncMode } from './job.ts';
import type { Target } from './targets.ts';

export interface At {
  queue: string;
  product: string;
}

export interface SyncState extends At {
  generation: number | null;
  /** {@link import('./marker.ts').touchName} of the touch that was brought there last. */
  marker: string | null;
  asked: Exclude<SyncMode, 'changed'> | null;
  askedAt: Date | null;
  health: TargetHealth;
  failures: number;
  nextTryAt: Date | null;
  cleanedAt: Date | null;
}

/** First wait after a failure; doubled at each further one. */
export const RETRY_FIRST_MS = 5_000;
/** An operator who repairs a target should not wait longer than this. */
export const RETRY_MAX_MS = 5 * 60_000;
/** 5 s doubled so often is past the longest wait. */
const MAX_DOUBLINGS = 10;

/** Of what a target is wrong about nothing is known: it was elsewhere, or never synced. */
export const NOTHING_KNOWN: Omit<SyncState, 'queue' | 'product'> = {
  ...{ generation: null, marker: null, asked: null, askedAt: null, health: 'new', failures: 0 },
  ...{ nextTryAt: null, cleanedAt: null },
};

/** What a target has; another location under its name counts as nothing. */
export async function readStates(database: Queryable, target: Target): Promise<SyncState[]> {
  const { rows } = await database.query<SyncState>(
    `select queue, product, generation, marker, asked, asked_at as "askedAt", health, failures,
            next_try_at as "nextTryAt", cleaned_at as "cleanedAt"
       from sync_states where target = $1 and location = $2`,
    [target.name, target.text],
  );
  return rows;
}

/** The intent, before anything is done there. */
export async function noteTry(database: Queryable, target: Target, at: At): Promise<void> {
  await database.query(
    `insert into sync_states as s (target, queue, product, location, tried_at) values ($1, $2, $3, $4, now())
     on conflict (target, queue, product) do update set tried_at = now(), location = $4,
       generation = case when s.location = $4 then s.generation end,
       marker = case when s.location = $4 then s.marker end`,
    [target.name, at.queue, at.product, target.text],
  );
}

/** Up to date: failures are over, and so is what a person asked for before the sync began. */
export async function noteSuccess(
  database: Queryable,
  target: Target,
  at: At,
  done: {
    generation: number;
    marker: string | null;
    asked: Date | null;
    sent: Sent;
    durationMs: number;
  },
): Promise<void> {
  await database.query(
    `update sync_states set generation = $4, marker = coalesce($5, marker), health = 'ok', failures = 0,
            failing_since = null, next_try_at = null, error_code = null, error = null, synced_at = now(),
            files = $6, bytes = $7, duration_ms = $8,
            asked = case when asked_at is not distinct from $9::timestamptz then null else asked end,
            asked_at = case when asked_at is not distinct from $9::timestamptz then null else asked_at end
      where target = $1 and queue = $2 and product = $3`,
    [
      ...[target.name, at.queue, at.product, done.generation, done.marker],
      ...[done.sent.files, done.sent.bytes, Math.round(done.durationMs), done.asked],
    ],
  );
}

/** Codes of targets that are not there, in contrast to those that answer and do not take it. */
const UNREACHABLE = ['target-unreachable', 'target-stalled'];

/** Counts the failure and says when it is tried again; gives the wait in ms. */
export async function noteFailure(
  database: Queryable,
  target: Target,
  at: At,
  failure: { error: unknown; failures: number; retryFirstMs: number },
): Promise<number> {
  const { error, failures } = failure;
  const code = error instanceof AppError ? error.code : 'sync-failed';
  const waitMs = Math.min(failure.retryFirstMs * 2 ** Math.min(failures, MAX_DOUBLINGS), RETRY_MAX_MS);
  await database.query(
    `update sync_states set failures = failures + 1, failing_since = coalesce(failing_since, now()),
            next_try_at = now() + $4::float8 * interval '1 millisecond', health = $5, error_code = $6, error = $7
      where target = $1 and queue = $2 and product = $3`,
    [
      ...[target.name, at.queue, at.product, waitMs],
      ...[UNREACHABLE.includes(code) ? 'unreachable' : 'degraded', code, wordsOf(error)],
    ],
  );
  return waitMs;
}

/** What is wrong and what to do: the row is all that a person sees of it. */
function wordsOf(error: unknown): string {
  const hint = error instanceof AppError ? error.hint : undefined;
  return hint === undefined ? messageOf(error) : `${messageOf(error).replace(/\.$/, '')}. ${hint}`;
}

/** What is gone was looked for; with an error, clients see nothing of it, and people do. */
export async function noteCleaned(
  database: Queryable,
  target: Target,
  at: At,
  error: unknown,
): Promise<void> {
  const code = error instanceof AppError ? error.code : 'sync-clean-failed';
  await database.query(
    `update sync_states set cleaned_at = now(), health = case when $4::text is null then health else 'degraded' end,
            error_code = coalesce($4, error_code), error = coalesce($5, error)
      where target = $1 and queue = $2 and product = $3`,
    [target.name, at.queue, at.product, error === null ? null : code, error === null ? null : wordsOf(error)],
  );
}

/** The newest generation that all of `targets` have; null when one has none. */
export async function generationEverywhere(
  database: Queryable,
  targets: readonly Target[],
  at: At,
): Promise<number | null> {
  const { rows } = await database.query<{ number: number | null }>(
    `select case when count(s.generation) = cardinality($1::text[]) then min(s.generation) end as number
       from unnest($1::text[], $2::text[]) as t (name, location)
       left join sync_states s on s.target = t.name and s.location = t.location and s.queue = $3 and s.product = $4`,
    [targets.map((target) => target.name), targets.map((target) => target.text), at.queue, at.product],
  );
  return rows[0]?.number ?? null;
}

/** True when every one of `targets` has brought this touch of the marker. */
export async function isTouchEverywhere(
  database: Queryable,
  targets: readonly Target[],
  at: At,
  touch: string,
): Promise<boolean> {
  const { rows } = await database.query<{ missing: number }>(
    `select count(*)::int as missing from unnest($1::text[]) as t (name)
      where not exists (select from sync_states s where s.target = t.name and s.queue = $2 and s.product = $3
                           and s.marker = $4)`,
    [targets.map((target) => target.name), at.queue, at.product, touch],
  );
  return rows[0]?.missing === 0;
}
