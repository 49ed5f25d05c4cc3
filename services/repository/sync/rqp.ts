/**
 * rqp: brings to live what the publishers staged.
 *
 * What there is to do is told by markers and by generations that are `staged` and not yet `live`; both
 * are looked at in every sweep, so neither a lost event nor a lost marker costs more than one sweep. A
 * failed sync keeps its marker and is tried again later and later. Targets are independent: one that is
 * away does not keep the others from being brought up to date.
 */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { wake } from '../../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { targetsOf } from './targets.ts';
import { markLive } from '../generations/rows.ts';
import { withQueueLock } from '../locks.ts';
import { placesOf, queueProducts } from '../places.ts';
import { clearMarker, seeMarker } from './marker.ts';
import { cleanByHash } from './by-hash.ts';
import { syncTarget } from './rsync.ts';

/** First wait after a failure; doubled at each further one. */
export const RETRY_FIRST_MS = 5_000;
/** An operator who repairs a target should not wait longer than this. */
export const RETRY_MAX_MS = 5 * 60_000;

interface At {
  queue: string;
  product: string;
}

interface Failures {
  count: number;
  notBeforeMs: number;
}

export interface RqpOptions {
  retryFirstMs?: number;
  signal?: AbortSignal;
}

/** One run looks at every queue and product and syncs what is due. */
export function createRqp(repository: Repository, options: RqpOptions = {}): Coalesced {
  const failures = new Map<string, Failures>();
  const isEnding = (): boolean => options.signal?.aborted === true;
  const pass = async (): Promise<void> => {
    const due = await findDue(repository);
    repository.metrics.syncsWaiting.set(due.length);
    for (const at of due) {
      if (isEnding()) return;
      const key = `${at.queue}/${at.product}`;
      if ((failures.get(key)?.notBeforeMs ?? 0) > Date.now()) continue;
      try {
        await syncOne(repository, at, options.signal);
        failures.delete(key);
      } catch (error) {
        if (isEnding()) return;
        const count = (failures.get(key)?.count ?? 0) + 1;
        const waitMs = Math.min((options.retryFirstMs ?? RETRY_FIRST_MS) * 2 ** (count - 1), RETRY_MAX_MS);
        failures.set(key, { count, notBeforeMs: Date.now() + waitMs });
        repository.metrics.syncs.inc({ result: 'failed' });
        repository.log.error({ err: error, ...at, failures: count, waitMs }, 'sync failed, marker kept');
      }
    }
  };
  return coalesce(pass, (error) => repository.log.error({ err: error }, 'sync sweep failed'));
}

/** Queues and products with a marker, or with a generation that is not in live. */
async function findDue(repository: Repository): Promise<At[]> {
  const { rows } = await repository.pool.query<At>(
    `select distinct queue, product from generations where status = 'staged'`,
  );
  const staged = new Set(rows.map((row) => `${row.queue}/${row.product}`));
  const due: At[] = [];
  for (const at of queueProducts(repository.common)) {
    const marker = await seeMarker(placesOf(repository.home, at.queue, at.product).marker);
    if (marker || staged.has(`${at.queue}/${at.product}`)) due.push(at);
  }
  return due;
}

/** Syncs what is staged now to every target; the marker goes if nobody touched it meanwhile. */
export async function syncOne(repository: Repository, at: At, signal?: AbortSignal): Promise<void> {
  await withQueueLock(repository.pool, { kind: 'sync', ...at, waitMs: 0 }, async (lock) => {
    const places = placesOf(repository.home, at.queue, at.product);
    const seen = await seeMarker(places.marker);
    const generation = await realpath(places.dists).catch(() => null);
    if (generation === null) return; // the publisher has not come to the switch; it wakes us then
    const endTimer = repository.metrics.syncSeconds.startTimer();
    await syncTargets(repository, at, generation, signal);
    await repository.step('synced');
    const number = Number(path.basename(generation));
    const moved = await markLive(lock.client, at, number);
    if (moved > 0) await wake(lock.client, GARAGE_CHANNEL);
    await repository.step('marked-live');
    const isCleared = await clearMarker(places.marker, seen);
    endTimer();
    repository.metrics.syncs.inc({ result: 'ok' });
    repository.log.info({ ...at, number, again: !isCleared }, 'live is up to date');
  });
}

/** Every target is tried; the first failure is thrown after the last has ended. */
async function syncTargets(
  repository: Repository,
  at: At,
  generation: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { pool } = placesOf(repository.home, at.queue, at.product);
  const job = { ...at, staging: repository.home.staging, pool, generation };
  const results = await Promise.allSettled(
    targetsOf(repository).map(async ({ location }) => {
      const target = { path: location.kind === 'local' ? location.path : '' };
      await syncTarget(job, target, signal);
      const live = path.join(target.path, at.queue, 'dists', at.product);
      await cleanByHash(generation, live, notesFile(repository, at, target), new Date());
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

function notesFile(repository: Repository, at: At, target: { path: string }): string {
  const name = createHash('sha256').update(target.path).digest('hex').slice(0, 16);
  return path.join(repository.home.repository, 'sync', `${name}.${at.queue}.${at.product}.json`);
}
