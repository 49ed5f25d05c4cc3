/** One product of one queue to one target: from the intent to the row that says it is there. */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { transaction } from '../../../shared/database/pool.ts';
import { wake } from '../../../shared/database/listen.ts';
import type { AppError } from '../../../shared/errors/app-error.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import { markLive } from '../generations/rows.ts';
import { placesOf } from '../places.ts';
import { CLEAN_EVERY_MS, cleanTarget } from './clean.ts';
import { insertDeliveries } from './hooks/rows.ts';
import { damagedError, damagedFiles, isFreeOf } from './damage.ts';
import { changedPoolFiles, type SyncJob, type SyncMode, type TargetStore } from './job.ts';
import { asksForAll, clearMarker, isTouchedAgain, seeMarker, touchName, type SeenMarker } from './marker.ts';
import {
  generationEverywhere,
  isTouchEverywhere,
  noteCleaned,
  noteSuccess,
  noteTry,
  type At,
  type SyncState,
} from './states.ts';
import { storeOf } from './stores/store.ts';
import { requiredTargets, targetsOf, type Target } from './targets.ts';

const HOUR_MS = 3600_000;

/**
 * Brings the target up to what is staged now, if anything is due. Throws what keeps it from that; then the
 * whole is to be repeated.
 */
export async function syncOne(
  repository: Repository,
  target: Target,
  state: SyncState,
  signal?: AbortSignal,
): Promise<void> {
  const at = { queue: state.queue, product: state.product };
  const places = placesOf(repository.home, at.queue, at.product);
  const seen = await seeMarker(places.marker);
  const generation = await realpath(places.dists).catch(() => null);
  if (generation === null) return; // the publisher has not come to the switch; it wakes us then
  const number = Number(path.basename(generation));
  const mode = await modeOf(state, seen, places.marker);
  const isNews =
    mode !== 'changed' || number !== state.generation || state.failures > 0 || isUnseen(seen, state);
  const isCleaning = isCleanDue(state, repository.now());
  if (!isNews && !isCleaning) return;
  const whole = await makeJob(repository, at, { mode, number, before: state.generation, generation });
  const store = storeOf(target, signal);
  let damage: AppError | null = null;
  if (isNews) {
    const startedMs = performance.now();
    await noteTry(repository.pool, target, at);
    await repository.step('sync-noted');
    const { job, damage: found } = await soundPart(repository, at, whole);
    damage = found;
    await store.check(job);
    await repository.step('sync-checked');
    const sent = await store.send(job);
    await repository.step('synced');
    const durationMs = performance.now() - startedMs;
    const done = {
      generation: number,
      marker: seen && touchName(seen),
      asked: damage ? null : state.askedAt,
      sent,
      durationMs,
    };
    await transaction(repository.pool, async (client) => {
      await noteSuccess(client, target, at, done);
      if (number !== state.generation)
        await insertDeliveries(client, target, at, { ...done, mode: job.mode });
    });
    await repository.step('sync-recorded');
    repository.metrics.syncSeconds.observe(durationMs / 1000);
    repository.metrics.syncs.inc({ result: 'ok', target: target.name });
    const facts = { ...at, target: target.name, number, mode: job.mode, ...sent };
    repository.log.info({ ...facts, durationMs: Math.round(durationMs) }, 'target is up to date');
  }
  await settle(repository, at, seen);
  if (damage) throw damage;
  if (isCleaning || mode !== 'changed') await clean(repository, target, store, whole);
}

/** True when the marker was touched and this target has not been there for it. */
export function isUnseen(seen: SeenMarker | null, state: SyncState): boolean {
  return seen !== null && touchName(seen) !== state.marker;
}

/** True when what is gone was not looked for lately. */
export function isCleanDue(state: SyncState, now: Date): boolean {
  if (state.generation === null || state.failures > 0) return false;
  return state.cleanedAt === null || now.getTime() - state.cleanedAt.getTime() > CLEAN_EVERY_MS;
}

/** A touch by hand asks for all files; what a person asked for by command is in the row. */
async function modeOf(state: SyncState, seen: SeenMarker | null, marker: string): Promise<SyncMode> {
  if (state.asked !== null) return state.asked;
  if (state.generation === null) return 'full';
  if (seen === null || !isUnseen(seen, state)) return 'changed';
  const isForAll = (await isTouchedAgain(marker, seen, state)) || (await asksForAll(marker));
  return isForAll ? 'full' : 'changed';
}

async function makeJob(
  repository: Repository,
  at: At,
  { mode, number, before, generation }: Pick<SyncJob, 'mode' | 'number' | 'before' | 'generation'>,
): Promise<SyncJob> {
  const places = placesOf(repository.home, at.queue, at.product);
  const poolFiles =
    mode === 'changed' && before !== null
      ? await changedPoolFiles(repository.pool, at, before, number)
      : null;
  return {
    ...at,
    ...{ mode, number, before, generation },
    ...{ staging: repository.home.staging, root: places.root, pool: places.pool, poolFiles },
    generations: places.generations,
    step: (name) => repository.step(name),
  };
}

/**
 * What of a job may be sent: all of it, or what is new alone where staging's own pool is damaged, which must not keep
 * that back. Throws the damage where nothing may be sent.
 */
async function soundPart(
  repository: Repository,
  at: At,
  whole: SyncJob,
): Promise<{ job: SyncJob; damage: AppError | null }> {
  const damaged = whole.mode === 'verify' ? await damagedFiles(repository, whole) : [];
  if (damaged.length === 0) return { job: whole, damage: null };
  const job = await makeJob(repository, at, { ...whole, mode: 'changed' });
  const damage = damagedError(job, damaged);
  if (job.number === job.before || !isFreeOf(job, damaged)) throw damage;
  return { job, damage };
}

/**
 * Says `live` when every required target has it, and takes the marker away when every target was there. Asked
 * again in every sweep: what a killed run left undone is done then.
 */
export async function settle(repository: Repository, at: At, seen: SeenMarker | null): Promise<void> {
  const all = targetsOf(repository).filter((target) => target.queues.includes(at.queue));
  const number = await generationEverywhere(repository.pool, requiredTargets(all, at.queue), at);
  if (number !== null && (await markLive(repository.pool, at, number)) > 0) {
    await wake(repository.pool, GARAGE_CHANNEL);
  }
  await repository.step('marked-live');
  if (seen === null || !(await isTouchEverywhere(repository.pool, all, at, touchName(seen)))) return;
  await clearMarker(placesOf(repository.home, at.queue, at.product).marker, seen);
  await repository.step('sync-marker-cleared');
}

/** Deletions, last and later. A failure leaves the target as good as it was: it is told, and tried the next time. */
async function clean(
  repository: Repository,
  target: Target,
  store: TargetStore,
  job: SyncJob,
): Promise<void> {
  const { byHashHours, poolGraceHours } = repository.config;
  const times = {
    ...{ now: repository.now(), byHashKeptMs: byHashHours * HOUR_MS, poolKeptMs: poolGraceHours * HOUR_MS },
  };
  const notes = path.join(
    repository.home.repository,
    'sync',
    `${target.name}.${job.queue}.${job.product}.json`,
  );
  let removed = 0;
  try {
    removed = await cleanTarget(repository.pool, store, job, notes, times);
    await repository.step('sync-cleaned');
    await noteCleaned(repository.pool, target, job, null);
  } catch (error) {
    repository.log.error({ err: error, target: target.name }, 'what is gone could not be removed');
    await noteCleaned(repository.pool, target, job, error);
  }
  if (removed > 0) {
    const facts = { queue: job.queue, product: job.product, target: target.name, removed };
    repository.log.info(facts, 'what is gone was removed from the target');
  }
}
