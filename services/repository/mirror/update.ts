/**
 * Brings a mirror up to its archive.
 *
 *   1. the Release files of all suites: signature, time, replay (release.ts);
 *   2. the indexes that they list and that are asked for, by their sums (indexes.ts);
 *   3. the files that the indexes name: what is there with the right sum stays (pool.ts);
 *   4. a generation with all suites, whole and durable (write-generation.ts);
 *   5. one rename of `dists`: from here on clients see the new state;
 *   6. what went out of use long enough ago is removed.
 *
 * Until 5 clients see the old state whole: files are only added. An archive that changes under the update shows
 * as a file that is missing or has another sum; then everything begins again from 1, a bounded number of times. A
 * crash at any instruction leaves what was fetched, and the next update goes on from there.
 */
import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Repository } from '../context.ts';
import { isFiltered } from './definition.ts';
import type { Fetching } from './fetch/download.ts';
import { FileRecords } from './file-records.ts';
import { fetchIndex, pruneIndexes, type FetchedIndex } from './indexes.ts';
import { publishMirrorKey } from './key-files.ts';
import type { MirrorPlaces } from './places.ts';
import { fetchPool, planPool, requireSpace, type PoolPlan } from './pool.ts';
import { fetchRelease, type MirrorRelease } from './release.ts';
import type { MirrorRow } from './rows.ts';
import { heldOf, selectIndexes } from './select-indexes.ts';
import { sweepUnused } from './sweep.ts';
import { currentNote, pruneGenerations, removeUnfinished, switchTo } from './tree.ts';
import { want, type Wanted } from './want.ts';
import { inputOf, writeGeneration } from './write-generation.ts';

/** Times that an update begins again because the archive changed under it. */
const MAX_TRIES = 4;
/** An archive is written in minutes; what takes longer is for the next round. */
const RETRY_FIRST_MS = 2_000;

/** What an archive that is being written looks like. */
const CHANGED: ReadonlySet<string> = new Set([
  ...['mirror-changed', 'mirror-file-missing', 'mirror-sum-mismatch', 'mirror-too-large'],
]);

export interface MirrorProgress {
  phase: 'releases' | 'indexes' | 'checking' | 'fetching' | 'publishing';
  /** Files, of `total`. */
  done: number;
  total: number;
  /** That came in, of `bytesTotal`, in `fetching`. */
  bytes: number;
  bytesTotal: number;
}

export interface UpdateOptions {
  signal?: AbortSignal;
  onProgress?: (progress: MirrorProgress) => void;
  /** Takes every file's sum anew instead of believing the table. */
  isRecheck?: boolean;
  /** Fetches indexes only and says what would come; clients see nothing of it. */
  isDryRun?: boolean;
  retryFirstMs?: number;
  stallMs?: number;
}

export interface UpdateReport {
  mirror: string;
  isChanged: boolean;
  generation: number;
  files: number;
  bytes: number;
  /** That came or, in a dry run, would come. */
  fetchedFiles: number;
  fetchedBytes: number;
  /** Not used any more and gone. */
  removedFiles: number;
  unmet: string[];
  /** Times that the archive changed under the update. */
  restarts: number;
  releases: MirrorRow['releases'];
}

/** What one update works with. */
export interface UpdateWork {
  repository: Repository;
  mirror: MirrorRow;
  places: MirrorPlaces;
  fetching: Fetching;
  options: UpdateOptions;
}

/** One update; the caller holds the mirror's lock. Throws, and the state that clients see is as it was; or returns. */
export async function bringUpToDate(work: UpdateWork): Promise<UpdateReport> {
  await mkdir(work.places.generations, { recursive: true });
  await removeUnfinished(work.places);
  const first = work.options.retryFirstMs ?? RETRY_FIRST_MS;
  for (let restarts = 0; ; restarts += 1) {
    const progress = { hasBegun: false };
    try {
      return { ...(await updateOnce(work, progress)), restarts };
    } catch (error) {
      const isChanged = error instanceof AppError && CHANGED.has(error.code);
      const mayPass = isChanged && (progress.hasBegun || error.code === 'mirror-changed');
      if (!mayPass || restarts + 1 >= MAX_TRIES) throw error;
      work.repository.log.info(
        { mirror: work.mirror.name, code: error.code },
        'archive changed, beginning again',
      );
      await delay(first * 2 ** restarts, undefined, signalOf(work));
    }
  }
}

function signalOf({ options: { signal } }: UpdateWork): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

type Once = Omit<UpdateReport, 'restarts'>;

async function updateOnce(work: UpdateWork, progress: { hasBegun: boolean }): Promise<Once> {
  const { repository, mirror, options } = work;
  const releases = await fetchReleases(work);
  progress.hasBegun = true;
  await repository.step('mirror-releases');
  const indexes = await fetchIndexes(work, releases);
  await repository.step('mirror-indexes');
  const wanted = await want(mirror, indexes);
  const records = await FileRecords.read(repository.pool, mirror.name, options.isRecheck === true);
  const plan = await planFiles(work, wanted, records);
  await repository.step('mirror-planned');
  const before = await currentNote(work.places);
  const input = inputOf(repository, { mirror, releases, indexes });
  const report: Once = {
    ...{ mirror: mirror.name, isChanged: before?.input !== input, generation: before?.number ?? 0 },
    ...{ files: wanted.files.size, bytes: sumOf(wanted.files.values()), unmet: wanted.unmet },
    ...{ fetchedFiles: plan.missing.size, fetchedBytes: plan.bytes, removedFiles: 0 },
    releases: seenAfter(mirror, releases),
  };
  if (options.isDryRun === true) return report;
  const putReplacements = await fetchFiles(work, plan, records);
  await repository.step('mirror-fetched');
  if (report.isChanged) report.generation = await writeNext(work, { releases, indexes, wanted });
  await putReplacements();
  await repository.step('mirror-replaced');
  await switchTo(work.places, report.generation);
  await repository.step('mirror-switched');
  report.removedFiles = await cleanUp(work, indexes, wanted);
  return report;
}

function sumOf(files: Iterable<{ size: number }>): number {
  let sum = 0;
  for (const { size } of files) sum += size;
  return sum;
}

/** Dates of suites that are not mirrored any more are forgotten. */
function seenAfter(mirror: MirrorRow, releases: readonly MirrorRelease[]): MirrorRow['releases'] {
  return Object.fromEntries(
    releases.map(({ suite, sha256, release }) => {
      const date = release.date.toISOString();
      return [suite, { date, sha256, ...heldOf(mirror, suite, release) }];
    }),
  );
}

async function fetchReleases({
  repository,
  mirror,
  fetching,
  options,
}: UpdateWork): Promise<MirrorRelease[]> {
  const releases: MirrorRelease[] = [];
  for (const suite of mirror.suites) {
    tell(options, 'releases', releases.length, mirror.suites.length);
    const checks = { keys: mirror.keys, seen: mirror.releases, now: repository.now() };
    releases.push(await fetchRelease(fetching, suite, checks));
  }
  return releases;
}

async function fetchIndexes(work: UpdateWork, releases: readonly MirrorRelease[]): Promise<FetchedIndex[]> {
  const { mirror, fetching, places, options } = work;
  const forms = isFiltered(mirror) ? 'first' : 'all';
  const all = releases.flatMap((release) =>
    selectIndexes(mirror, release.suite, release.release).map((index) => ({ release, index })),
  );
  const fetched: FetchedIndex[] = [];
  for (const { release, index } of all) {
    tell(options, 'indexes', fetched.length, all.length);
    fetched.push(await fetchIndex({ fetching, places, forms }, release, index));
  }
  return fetched;
}

function tell(
  options: UpdateOptions,
  phase: MirrorProgress['phase'],
  done: number,
  total: number,
  bytes = 0,
  bytesTotal = 0,
): void {
  options.onProgress?.({ phase, done, total, bytes, bytesTotal });
}

async function planFiles(work: UpdateWork, wanted: Wanted, records: FileRecords): Promise<PoolPlan> {
  let checked = 0;
  const onChecked = (count: number): void => {
    checked += count;
    tell(work.options, 'checking', checked, wanted.files.size);
  };
  return planPool(work.places, wanted.files, records, onChecked, work.options.signal);
}

async function fetchFiles(
  work: UpdateWork,
  plan: PoolPlan,
  records: FileRecords,
): Promise<() => Promise<void>> {
  const { repository, places, options } = work;
  await requireSpace(places, plan);
  const came = { files: 0, bytes: 0 };
  const onCame = (): void => tell(options, 'fetching', came.files, plan.missing.size, came.bytes, plan.bytes);
  const fetching: Fetching = {
    ...work.fetching,
    onBytes: (count) => {
      came.bytes += count;
      work.fetching.onBytes?.(count);
      onCame();
    },
  };
  const onFetched = async (): Promise<void> => {
    came.files += 1;
    onCame();
    await repository.step('mirror-file');
  };
  const { parallel } = repository.config.mirrors;
  return fetchPool(fetching, { places, plan, records, parallel }, onFetched);
}

async function writeNext(
  work: UpdateWork,
  made: { releases: MirrorRelease[]; indexes: FetchedIndex[]; wanted: Wanted },
): Promise<number> {
  const { repository, mirror, places, options } = work;
  tell(options, 'publishing', 0, 1);
  const before = await currentNote(places);
  const number = (before?.number ?? 0) + 1; // what is newer was removed at the start
  await publishMirrorKey(repository, mirror, places);
  const date = nextDate(repository.now(), before?.atMs ?? null);
  await writeGeneration(repository, { mirror, places, ...made, number, date, sinceMs: sinceMs(repository) });
  await repository.step('mirror-noted');
  return number;
}

/** Whole seconds, and after the one before: HTTP clients compare times in seconds. */
function nextDate(now: Date, beforeMs: number | null): Date {
  const second = Math.floor(now.getTime() / 1000);
  const before = beforeMs === null ? 0 : Math.floor(beforeMs / 1000);
  return new Date(Math.max(second, Math.min(before + 1, second + 1)) * 1000);
}

function sinceMs(repository: Repository): number {
  return repository.now().getTime() - repository.config.mirrors.graceHours * 3600_000;
}

async function cleanUp(work: UpdateWork, indexes: FetchedIndex[], wanted: Wanted): Promise<number> {
  const { repository, mirror, places } = work;
  await pruneGenerations(places, sinceMs(repository));
  await pruneIndexes(places, indexes);
  await rm(places.partial, { recursive: true, force: true }); // of files that are not wanted any more
  const graceMs = repository.config.mirrors.graceHours * 3600_000;
  const removed = await sweepUnused(repository.pool, mirror.name, places, wanted.files, {
    ...{ now: repository.now(), graceMs },
  });
  await repository.step('mirror-swept');
  return removed;
}
