/**
 * Garbage collection of a queue's pool: removes what {@link neededFiles} does not name, a grace time after it
 * was first seen unused.
 *
 *   walk, compare -> under the publish lock compare again -> row `unused` -> (grace time) -> row `removed`
 *   -> unlink
 *
 * The lock keeps every publish of this queue and product out, so what a publish has put into the pool is
 * either a member by now or will be put there again. A crash between the row and the unlink leaves a file
 * that the next run removes. Files that the database does not know are never touched: `check` tells of them.
 * `pool_files` keeps the name and its content for ever, so the name can come back with that content only.
 */
import { rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { Queryable } from '../../../shared/database/pool.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { Repository } from '../context.ts';
import { withQueueLock, type QueueLock } from '../locks.ts';
import { placesOf, queueProducts } from '../places.ts';
import { neededFiles } from './needed.ts';
import {
  describeUnused,
  forgetUnused,
  markRemoved,
  noteUnused,
  recentlyLeft,
  type UnusedFile,
} from './unused.ts';
import { filesBelow } from './walk.ts';

/** A queue manager may be publishing a large set; past this the queue waits for the next collection. */
const LOCK_WAIT_MS = 60_000;
/** Removed while the lock is held once: publishes wait for a second or so. */
const MAX_REMOVED_AT_ONCE = 2_000;
/** Rounds of the above in one collection; the next one goes on. */
const MAX_ROUNDS = 500;
const HOUR_MS = 3600_000;

interface At {
  queue: string;
  product: string;
}

export interface GarbageOptions {
  /** Changes nothing. */
  dryRun?: boolean;
  /** Default: `repository.poolGraceHours`. */
  graceHours?: number;
}

export interface GarbageFile extends UnusedFile {
  /** When its grace time is over. */
  dueAt: Date;
}

export interface GarbageReport extends At {
  /** Removed, or to be removed by a run that is no dry one. */
  removed: GarbageFile[];
  /** Unused, in their grace time. */
  waiting: GarbageFile[];
  /** Another process held the queue for too long; nothing was done. */
  isBusy: boolean;
}

/** Every queue and product; `onReport` is told of each as it is done. One's failure is thrown after the last. */
export async function collectAll(
  repository: Repository,
  options: GarbageOptions = {},
  onReport: (report: GarbageReport) => void = () => undefined,
): Promise<GarbageReport[]> {
  const reports: GarbageReport[] = [];
  const failures: unknown[] = [];
  for (const at of queueProducts(repository.common)) {
    try {
      const report = await collectGarbage(repository, at, options);
      reports.push(report);
      onReport(report);
    } catch (error) {
      repository.log.error({ err: error, ...at }, 'garbage collection failed, tried again at the next');
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return reports;
}

/** One collection of one product in one queue. */
export async function collectGarbage(
  repository: Repository,
  at: At,
  options: GarbageOptions = {},
): Promise<GarbageReport> {
  const { pool } = placesOf(repository.home, at.queue, at.product);
  const present = await listPool(pool);
  const graceMs = (options.graceHours ?? repository.config.poolGraceHours) * HOUR_MS;
  if (options.dryRun === true) {
    return { ...at, ...split(await findUnused(repository.pool, at, present, graceMs)), isBusy: false };
  }
  const report: GarbageReport = { ...at, removed: [], waiting: [], isBusy: false };
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const lockAt = { kind: 'publish', ...at, waitMs: LOCK_WAIT_MS } as const;
    const done = await withQueueLock(repository.pool, lockAt, (lock) =>
      collectSome(repository, lock, present, graceMs),
    );
    if (done === null) return { ...report, isBusy: true };
    report.removed.push(...done.removed);
    report.waiting = done.waiting;
    for (const file of done.removed) present.delete(file.path);
    if (!done.isMore) break;
  }
  const bytes = report.removed.reduce((sum, file) => sum + file.size, 0);
  repository.metrics.poolRemoved.inc({ queue: at.queue }, report.removed.length);
  if (report.removed.length > 0) {
    repository.log.info({ ...at, files: report.removed.length, bytes }, 'unused files removed from the pool');
  }
  return report;
}

async function collectSome(
  repository: Repository,
  lock: QueueLock,
  present: ReadonlySet<string>,
  graceMs: number,
): Promise<{ removed: GarbageFile[]; waiting: GarbageFile[]; isMore: boolean }> {
  const unused = await findUnused(lock.client, lock, present, graceMs);
  const paths = unused.map((file) => file.path);
  await noteUnused(lock.client, lock, paths);
  await forgetUnused(lock.client, lock, paths);
  await repository.step('gc-noted');
  const { removed, waiting } = split(unused);
  const now = removed.slice(0, MAX_REMOVED_AT_ONCE);
  await markRemoved(
    lock.client,
    lock,
    now.map((file) => file.path),
  );
  await repository.step('gc-decided');
  const { pool } = placesOf(repository.home, lock.queue, lock.product);
  for (const file of now) await removeFile(pool, file.path);
  await repository.step('gc-removed');
  return { removed: now, waiting, isMore: now.length < removed.length };
}

async function findUnused(
  database: Queryable,
  at: At,
  present: ReadonlySet<string>,
  graceMs: number,
): Promise<GarbageFile[]> {
  const needed = await neededFiles(database, at);
  const candidates = [...present].filter((each) => !needed.has(each) && !each.endsWith('.buildinfo'));
  const left = await recentlyLeft(database, at, graceMs);
  const files = await describeUnused(database, at, candidates);
  return files.map((file) => {
    const sinceMs = Math.max(file.unusedSince.getTime(), left.get(file.path)?.getTime() ?? 0);
    return { ...file, unusedSince: new Date(sinceMs), dueAt: new Date(sinceMs + graceMs) };
  });
}

function split(files: readonly GarbageFile[]): Pick<GarbageReport, 'removed' | 'waiting'> {
  const now = Date.now();
  const isDue = (file: GarbageFile): boolean => file.dueAt.getTime() <= now;
  return { removed: files.filter(isDue), waiting: files.filter((file) => !isDue(file)) };
}

async function listPool(pool: string): Promise<Set<string>> {
  const present = new Set<string>();
  for await (const found of filesBelow(pool)) if (found.isFile && !found.isHidden) present.add(found.path);
  return present;
}

/** Removes the file and the folders that it leaves empty; the pool itself stays. */
async function removeFile(pool: string, file: string): Promise<void> {
  await rm(joinInside(pool, file), { force: true });
  for (let folder = path.dirname(file); folder !== '.'; folder = path.dirname(folder)) {
    // Not empty, or gone already: either way the ones above stay or are looked at the next time.
    const isGone = await rmdir(path.join(pool, folder)).then(
      () => true,
      () => false,
    );
    if (!isGone) return;
  }
}
