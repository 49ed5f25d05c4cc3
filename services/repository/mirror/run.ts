/** One update of one mirror, beside whoever else may want to: the service, or a person at the command line. */
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { AppError, hasErrno, messageOf } from '../../../shared/errors/app-error.ts';
import { tryLockFile } from '../../../shared/files/lock.ts';
import type { Repository } from '../context.ts';
import { isFiltered, type MirrorDefinition } from './definition.ts';
import { NO_CREDENTIALS, readCredentials } from './fetch/credentials.ts';
import { RETRY_FIRST_MS, STALL_MS, type Fetching } from './fetch/download.ts';
import { createLimiter } from './fetch/limiter.ts';
import { createOrigin, type Origin } from './fetch/origin.ts';
import { mirrorPlaces, type MirrorPlaces } from './places.ts';
import {
  changeMirror,
  deleteMirror,
  markCurrent,
  markFailed,
  markUpdating,
  requireMirror,
  type MirrorRow,
} from './rows.ts';
import { nextRetry, nextRun } from './schedule.ts';
import { bringUpToDate, type UpdateOptions, type UpdateReport } from './update.ts';

/** A file of CAs has some hundred kB. */
const MAX_CA_BYTES = 4 * 1024 * 1024;

/**
 * Updates a mirror and records what came of it. Throws `mirror-unknown`, `mirror-busy` (another process is at it),
 * and what the update throws, which is recorded; the mirror is as it was then.
 */
export async function updateMirror(
  repository: Repository,
  name: string,
  options: UpdateOptions = {},
): Promise<UpdateReport> {
  return withMirrorLock(repository, name, async (places) => {
    const mirror = await requireMirror(repository.pool, name);
    if (options.isDryRun === true) return runUpdate(repository, mirror, places, options);
    await markUpdating(repository.pool, name);
    await repository.step('mirror-updating');
    try {
      const report = await runUpdate(repository, mirror, places, options);
      const nextAt = nextRun(scheduleOf(repository, mirror));
      await markCurrent(repository.pool, name, report, nextAt);
      note(repository, mirror, report);
      return report;
    } catch (error) {
      // Stopped from outside: the row says `updating`, so it is due at once.
      if (options.signal?.aborted !== true) await recordFailure(repository, mirror, error);
      throw error;
    }
  });
}

/** Forgets a mirror; its files go too unless they are to be kept. Throws `mirror-unknown` and `mirror-busy`. */
export async function removeMirror(
  repository: Repository,
  name: string,
  options: { keepFiles: boolean },
): Promise<void> {
  await requireMirror(repository.pool, name);
  await withMirrorLock(repository, name, async (places) => {
    // The row last: a removal that is cut off can be repeated.
    if (!options.keepFiles) await removeFolder(places.root);
    await repository.step('mirror-files-removed');
    await deleteMirror(repository.pool, name);
  });
}

/** A folder that a disk is mounted on stays, empty. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch((error: unknown) => {
    if (!hasErrno(error, 'EBUSY')) throw error;
  });
  const left = await readdir(folder).catch(() => []);
  for (const name of left) await rm(path.join(folder, name), { recursive: true, force: true });
}

/**
 * Changes what a mirror is asked to be; not under an update, which would take its end for the new one's. Throws
 * `mirror-unknown` and `mirror-busy`.
 */
export async function redefineMirror(
  repository: Repository,
  name: string,
  change: (before: MirrorRow) => Promise<MirrorDefinition>,
): Promise<void> {
  await requireMirror(repository.pool, name);
  await withMirrorLock(repository, name, async () => {
    const before = await requireMirror(repository.pool, name);
    await changeMirror(repository.pool, await change(before));
  });
}

/** True while some process updates the mirror. */
export async function isMirrorBusy(repository: Repository, name: string): Promise<boolean> {
  const { lock } = mirrorPlaces(repository, name);
  await mkdir(path.dirname(lock), { recursive: true });
  const held = await tryLockFile(lock, 'shared');
  await held?.release();
  return held === null;
}

async function withMirrorLock<T>(
  repository: Repository,
  name: string,
  work: (places: MirrorPlaces) => Promise<T>,
): Promise<T> {
  const places = mirrorPlaces(repository, name);
  await mkdir(path.dirname(places.lock), { recursive: true });
  const held = await tryLockFile(places.lock, 'exclusive');
  if (!held) {
    throw new AppError('mirror-busy', `The mirror '${name}' is being updated already`, {
      hint: 'Wait for its end; autobuilder mirror show tells.',
    });
  }
  try {
    return await work(places);
  } finally {
    await held.release();
  }
}

export function scheduleOf({ config }: Pick<Repository, 'config'>, { settings }: MirrorRow): string {
  return settings.schedule ?? config.mirrors.schedule;
}

async function runUpdate(
  repository: Repository,
  mirror: MirrorRow,
  places: MirrorPlaces,
  options: UpdateOptions,
): Promise<UpdateReport> {
  // Ours signs what is filtered: which keys there are now, before anything is decided by them.
  if (isFiltered(mirror)) await repository.signer.refresh();
  const origin = await openOrigin(repository, mirror);
  const { settings } = mirror;
  const fetching: Fetching = {
    origin,
    limiter: createLimiter(settings.bytesPerSecond ?? repository.config.mirrors.bytesPerSecond),
    folder: places.partial,
    retryFirstMs: options.retryFirstMs ?? RETRY_FIRST_MS,
    stallMs: options.stallMs ?? STALL_MS,
    ...(options.signal ? { signal: options.signal } : {}),
    onBytes: (count) => repository.metrics.mirrorBytes.inc({ mirror: mirror.name }, count),
  };
  try {
    return await bringUpToDate({ repository, mirror, places, fetching, options });
  } catch (error) {
    if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new AppError('disk-full', `The disk of '${places.root}' is full`, {
      hint: 'Make room, or set repository.mirrors.path to a larger disk; what came is kept, and the update goes on from there.',
      cause: error,
    });
  } finally {
    origin.close();
  }
}

/** The caller closes it. Throws `mirror-auth-invalid` and `mirror-ca-invalid`. */
export async function openOrigin(
  { config }: Repository,
  { url, settings }: MirrorDefinition,
): Promise<Origin> {
  const { authFile, caFile } = settings;
  return createOrigin(url, {
    credentials: authFile === undefined ? NO_CREDENTIALS : await readCredentials(authFile),
    ca: caFile === undefined ? null : await readCa(caFile),
    parallel: config.mirrors.parallel,
  });
}

async function readCa(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text.length <= MAX_CA_BYTES && text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new AppError('mirror-ca-invalid', `'${file}' holds no certificates`, {
    hint: 'Give certificates in PEM form.',
  });
}

function note(repository: Repository, mirror: MirrorRow, report: UpdateReport): void {
  const { isChanged, generation, files, fetchedFiles, fetchedBytes, removedFiles, restarts } = report;
  repository.metrics.mirrorUpdates.inc({ mirror: mirror.name, result: 'ok' });
  repository.log.info(
    { mirror: mirror.name, isChanged, generation, files, fetchedFiles, fetchedBytes, removedFiles, restarts },
    'mirror is up to date',
  );
}

async function recordFailure(repository: Repository, mirror: MirrorRow, error: unknown): Promise<void> {
  const code = error instanceof AppError ? error.code : 'mirror-failed';
  repository.metrics.mirrorUpdates.inc({ mirror: mirror.name, result: 'failed' });
  repository.log.error({ err: error, mirror: mirror.name }, 'mirror was not updated and is as it was');
  const nextAt = nextRetry(scheduleOf(repository, mirror), mirror.failures, repository.now());
  await markFailed(repository.pool, mirror.name, { code, message: messageOf(error) }, nextAt);
}
