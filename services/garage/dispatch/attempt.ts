/**
 * The life of one attempt, from a lease to a result: connect, deliver, start, follow, collect, finish. Every
 * step may be repeated, so a broken connection or a restart begins again at the first and soon is where it
 * was: the runner on the host is detached and goes on meanwhile.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { Result } from '../../../shared/protocol/job.ts';
import type { RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import type { Garage } from '../context.ts';
import { collect } from './collect.ts';
import { deliver, remoteFolder } from './deliver.ts';
import { JobFault, Withdrawn } from './faults.ts';
import { finishAttempt, type Outcome } from './finish.ts';
import { followLog } from './follow.ts';
import type { HostWatch } from './host-watch.ts';
import { markSeen, markUnwell } from './hosts.ts';
import { makeJob, productOf } from './job.ts';
import { leaseState } from './lease.ts';
import { startPulse, wait } from './pulse.ts';
import {
  callRunner,
  isHostFault,
  openRemote,
  pushRunner,
  readStage,
  reasonOf,
  type Remote,
} from './remote.ts';
import type { RepositoryAccess } from './repository-access.ts';
import { attemptRow, type AttemptRow } from './rows.ts';

/** Between two tries while the lease lasts: quick after a hiccup, then no burden for a host that is down. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;
/** A try that went on this long had a host that is well; the next one is quick again. */
const WELL_AFTER_MS = 60_000;

export interface Dispatch {
  garage: Garage;
  /** The runner to push. */
  bundle: RunnerBundle;
  /** This installation's id on shared hosts. */
  instance: string;
  /** Garage's private key, OpenSSH format. */
  privateKey: string;
  repository: RepositoryAccess;
  watch: HostWatch;
  /** Aborted when this process stops to dispatch; attempts go on without it. */
  stopping: AbortSignal;
}

/**
 * Sees one attempt through to its end, reconnecting for as long as its lease lasts. Returns when it is
 * finished, or unfinished once `stopping` is aborted. Throws nothing.
 */
export async function runAttempt(dispatch: Dispatch, attemptId: string): Promise<void> {
  const { garage, stopping } = dispatch;
  let retryMs = FIRST_RETRY_MS;
  let lastReason = 'the service was away';
  while (!stopping.aborted) {
    const began = Date.now();
    try {
      await oneTry(dispatch, attemptId, lastReason);
      return;
    } catch (error) {
      if (stopping.aborted) return;
      lastReason = reasonOf(error);
      if (Date.now() - began > WELL_AFTER_MS) retryMs = FIRST_RETRY_MS;
      garage.log.warn({ err: error, attempt: attemptId, retryMs }, 'attempt interrupted; trying again');
    }
    await wait(retryMs, stopping);
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
  }
}

async function oneTry(dispatch: Dispatch, attemptId: string, lastReason: string): Promise<void> {
  const { garage } = dispatch;
  const lease = await leaseState(garage, attemptId);
  const attempt = await attemptRow(garage.pool, attemptId);
  if (lease.finished || !attempt) return;
  if (lease.leftMs <= 0) {
    const message = `Host '${attempt.host.name}' was lost: ${lastReason}`;
    await finishAttempt(garage, attempt, { exitClass: 'machine', message, result: null });
    return;
  }
  const remote = await reach(dispatch, attempt);
  // What is under way ends with the connection; the runner does not.
  const onStop = (): void => remote.connection.close();
  dispatch.stopping.addEventListener('abort', onStop, { once: true });
  try {
    await markSeen(garage.pool, attempt.host.id);
    await attend(dispatch, attempt, remote);
  } finally {
    dispatch.stopping.removeEventListener('abort', onStop);
    remote.connection.close();
  }
}

/** Connects, and notes on the host's row when that fails: no other build should go there meanwhile. */
async function reach(dispatch: Dispatch, attempt: AttemptRow): Promise<Remote> {
  try {
    return await openRemote(attempt.host, dispatch.privateKey, dispatch.bundle);
  } catch (error) {
    dispatch.watch.doubt(attempt.host.id);
    await markUnwell(dispatch.garage.pool, attempt.host.id, reasonOf(error));
    throw error;
  }
}

/** Carries it out over one connection; returns when the attempt is finished. */
async function attend(dispatch: Dispatch, attempt: AttemptRow, remote: Remote): Promise<void> {
  const { garage } = dispatch;
  const folder = remoteFolder(remote, dispatch.instance, attempt.id);
  let outcome: Outcome;
  try {
    const result = await carryOut(dispatch, attempt, remote, folder);
    outcome = { exitClass: result.exitClass, message: result.message, result };
  } catch (error) {
    outcome = outcomeOf(error, remote);
    if (outcome.exitClass === 'cancelled') await bestEffort(garage, callRunner(remote, ['cancel', folder]));
  }
  const ended = await finishAttempt(garage, attempt, outcome);
  garage.log.info(
    { attempt: attempt.id, build: attempt.buildId, exitClass: outcome.exitClass, message: outcome.message },
    ended ? 'attempt finished' : 'attempt was finished before; its result is not taken',
  );
  // Leftovers of a host that does not answer are cleaned by the slot's next job.
  await bestEffort(garage, callRunner(remote, ['remove', folder]));
}

async function carryOut(
  dispatch: Dispatch,
  attempt: AttemptRow,
  remote: Remote,
  folder: string,
): Promise<Result> {
  const { garage } = dispatch;
  const directory = joinInside(garage.home.root, attempt.directory);
  const pulse = startPulse(garage, remote, folder, attempt);
  try {
    await pushRunner(remote, dispatch.bundle);
    const logFile = path.join(directory, 'build.log');
    if ((await readStage(remote, folder)) === null) {
      // A log that is here already is of a life that the host has forgotten (it was made anew).
      await rm(logFile, { force: true });
      await bring(dispatch, attempt, remote, folder);
    }
    pulse.signal.throwIfAborted();
    await callRunner(remote, ['start', folder]);
    await followLog(remote, folder, logFile, garage.config.build.maxLogBytes, pulse.signal);
    return await collect(remote, folder, attempt, directory);
  } finally {
    await pulse.stop();
  }
}

/** Sends job and source. Throws JobFault when no job can be made of it. */
async function bring(dispatch: Dispatch, attempt: AttemptRow, remote: Remote, folder: string): Promise<void> {
  const { garage, instance } = dispatch;
  const devel = await dispatch.repository.sourceFor(productOf(garage, attempt.product));
  if (devel === null) throw new AppError('repository-not-ready', 'The repository does not answer');
  await deliver(remote, garage.home, attempt, makeJob(garage, attempt, instance, devel), folder);
}

/** What a try that threw means; throws `error` itself when it is to be tried again. */
function outcomeOf(error: unknown, remote: Remote): Outcome {
  if (error instanceof Withdrawn) return { exitClass: 'cancelled', message: error.message, result: null };
  if (error instanceof JobFault) return { exitClass: 'usage', message: error.message, result: null };
  if (isHostFault(error, remote.connection)) {
    const message = `Host '${remote.host.name}': ${reasonOf(error)}`;
    return { exitClass: 'machine', message, result: null };
  }
  throw error;
}

async function bestEffort(garage: Garage, work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => garage.log.debug({ err: error }, 'left undone on a host'));
}
