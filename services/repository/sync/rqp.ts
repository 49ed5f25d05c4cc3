/**
 * rqp: brings to live what the publishers staged.
 *
 * What there is to do is told by markers, by generations that a target has not, and by what people asked for;
 * all of them are looked at in every sweep, so neither a lost event nor a lost marker costs more than one
 * sweep. Each target has a lane of its own: one that is slow, stalled or away holds up no other. A failed
 * sync keeps its marker and is tried again later and later; the row of the target says when.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { tryLockFile } from '../../../shared/files/lock.ts';
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { placesOf, queueProducts } from '../places.ts';
import { createDeliverer } from './hooks/deliver.ts';
import { seeMarker } from './marker.ts';
import { NOTHING_KNOWN, noteFailure, readStates, RETRY_FIRST_MS, type SyncState } from './states.ts';
import { isCleanDue, isUnseen, settle, syncOne } from './sync-one.ts';
import { registerTargets, targetsOf, type Target } from './targets.ts';

export interface RqpOptions {
  retryFirstMs?: number;
  signal?: AbortSignal;
}

/** `run` waits until every lane has nothing left to do for now. */
export function createRqp(repository: Repository, options: RqpOptions = {}): Coalesced {
  const targets = targetsOf(repository);
  const onError = (error: unknown): void => repository.log.error({ err: error }, 'sync sweep failed');
  const registered = once(() => registerTargets(repository.pool, targets));
  const hooks = createDeliverer(repository, targets, options.signal);
  const lanes = targets.map((target) =>
    coalesce(async () => {
      await registered();
      await passLane(repository, target, options);
      hooks.wake();
    }, onError),
  );
  const all = [...lanes, hooks];
  return {
    wake: () => all.forEach((lane) => lane.wake()),
    run: async () => {
      await Promise.all(lanes.map((lane) => lane.run()));
      await hooks.run();
    },
    stop: async () => void (await Promise.all(all.map((lane) => lane.stop()))),
  };
}

/** One look at everything that the target should have. Another process that is at it is left alone. */
async function passLane(repository: Repository, target: Target, options: RqpOptions): Promise<void> {
  const due = await findDue(repository, target);
  repository.metrics.syncsWaiting.set({ target: target.name }, due.length);
  if (due.length > 0) await syncAll(repository, target, due, options);
  await settleRest(repository, target);
}

async function syncAll(
  repository: Repository,
  target: Target,
  due: readonly SyncState[],
  options: RqpOptions,
): Promise<void> {
  const lock = await lockTarget(repository, target);
  if (!lock) return;
  try {
    for (const { queue, product } of due) {
      if (options.signal?.aborted) return;
      // Read under the lock: somebody may have been at it since.
      const state = (await statesByName(repository, target)).get(`${queue}/${product}`);
      await syncPatiently(repository, target, state ?? { queue, product, ...NOTHING_KNOWN }, options);
    }
  } finally {
    await lock.release();
  }
  repository.metrics.syncsWaiting.set({ target: target.name }, (await findDue(repository, target)).length);
}

/** What a run that was killed after its last byte left to be said. */
async function settleRest(repository: Repository, target: Target): Promise<void> {
  const { rows } = await repository.pool.query<{ name: string }>(
    `select distinct queue || '/' || product as name from generations where status = 'staged'`,
  );
  const staged = new Set(rows.map((row) => row.name));
  for (const at of queueProducts(repository.common)) {
    if (!target.queues.includes(at.queue)) continue;
    const seen = await seeMarker(placesOf(repository.home, at.queue, at.product).marker);
    if (seen || staged.has(`${at.queue}/${at.product}`)) await settle(repository, at, seen);
  }
}

/** One sync of a target at a time, across processes; null while another one is at it. */
export async function lockTarget(
  repository: Repository,
  target: Target,
): Promise<{ release(): Promise<void> } | null> {
  const folder = path.join(repository.home.repository, 'sync');
  await mkdir(folder, { recursive: true });
  return tryLockFile(path.join(folder, `${target.name}.lock`), 'exclusive');
}

async function syncPatiently(
  repository: Repository,
  target: Target,
  state: SyncState,
  options: RqpOptions,
): Promise<void> {
  const { queue, product, failures } = state;
  try {
    await syncOne(repository, target, state, options.signal);
  } catch (error) {
    if (options.signal?.aborted) return;
    const retryFirstMs = options.retryFirstMs ?? RETRY_FIRST_MS;
    const waitMs = await noteFailure(repository.pool, target, state, { error, failures, retryFirstMs });
    repository.metrics.syncs.inc({ result: 'failed', target: target.name });
    const facts = { queue, product, target: target.name, failures: failures + 1, waitMs };
    repository.log.error({ err: error, ...facts }, 'sync failed, marker kept');
  }
}

/** What the target should be brought up to now; what failed waits for its time. */
export async function findDue(repository: Repository, target: Target): Promise<SyncState[]> {
  const states = await statesByName(repository, target);
  const all = queueProducts(repository.common);
  const { rows } = await repository.pool.query<{ queue: string; product: string; number: number }>(
    'select queue, product, number from newest_generations',
  );
  const newest = new Map(rows.map((row) => [`${row.queue}/${row.product}`, row.number]));
  const now = repository.now();
  const due: SyncState[] = [];
  for (const at of all) {
    const name = `${at.queue}/${at.product}`;
    const number = newest.get(name);
    if (number === undefined || !target.queues.includes(at.queue)) continue;
    const state = states.get(name) ?? { ...at, ...NOTHING_KNOWN };
    if (state.nextTryAt !== null && state.nextTryAt > new Date()) continue;
    const seen = await seeMarker(placesOf(repository.home, at.queue, at.product).marker);
    const isBehind = state.generation === null || state.generation < number || state.failures > 0;
    if (isBehind || state.asked !== null || isUnseen(seen, state) || isCleanDue(state, now)) due.push(state);
  }
  return due;
}

async function statesByName(repository: Repository, target: Target): Promise<Map<string, SyncState>> {
  const states = await readStates(repository.pool, target);
  return new Map(states.map((state) => [`${state.queue}/${state.product}`, state]));
}

/** A failure is tried again by the next caller. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= work().catch((error: unknown) => {
      running = null;
      throw error;
    });
    return running;
  };
}
