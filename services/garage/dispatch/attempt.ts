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
import { finishAttempt, type Outcome } from './finish.ts';
import { followLog } from './follow.ts';
import type { HostWatch } from './host-watch.ts';
import { makeJob, productOf } from './job.ts';
import { leaseState, renewLease } from './lease.ts';
import { bestEffort, endOfError, overRemote, persist } from './persist.ts';
import { startPulse } from './pulse.ts';
import { callRunner, pushRunner, readStage, type Remote } from './remote.ts';
import type { RepositoryAccess } from './repository-access.ts';
import { attemptRow, type AttemptRow } from './rows.ts';

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
export function runAttempt(dispatch: Dispatch, attemptId: string): Promise<void> {
  return persist(dispatch, { attempt: attemptId }, (lastReason) => oneTry(dispatch, attemptId, lastReason));
}

async function oneTry(dispatch: Dispatch, attemptId: string, lastReason: string): Promise<void> {
  const { garage } = dispatch;
  const lease = await leaseState(garage, attemptId);
  const attempt = await attemptRow(garage.pool, attemptId);
  if (lease.finished || !attempt) return;
  if (lease.leftMs <= 0) {
    const message = `Host '${attempt.host.name}' was lost: ${lastReason}`;
    await finishAttempt(garage, attempt, { exitClass: 'machine', message, result: null });
    // Before it gets other work the host is looked at again, which finds what this attempt left there.
    dispatch.watch.doubt(attempt.host.id);
    return;
  }
  await overRemote(dispatch, attempt.host, (remote) => attend(dispatch, attempt, remote));
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
    outcome = { ...endOfError(error, remote), result: null };
    if (outcome.exitClass === 'cancelled')
      await bestEffort(dispatch, attempt.host, callRunner(remote, ['cancel', folder]));
  }
  const ended = await finishAttempt(garage, attempt, outcome);
  garage.log.info(
    { attempt: attempt.id, build: attempt.buildId, exitClass: outcome.exitClass, message: outcome.message },
    ended ? 'attempt finished' : 'attempt was finished before; its result is not taken',
  );
  if (ended && outcome.result?.keptS !== undefined) return; // its host removes it when its time is over
  // Leftovers of a host that does not answer are found at the next contact, see leftovers.ts.
  await bestEffort(dispatch, attempt.host, callRunner(remote, ['remove', folder]));
}

async function carryOut(
  dispatch: Dispatch,
  attempt: AttemptRow,
  remote: Remote,
  folder: string,
): Promise<Result> {
  const { garage } = dispatch;
  const directory = joinInside(garage.home.root, attempt.directory);
  const pulse = startPulse(garage, remote, folder, {
    startedAt: attempt.startedAt,
    limitS: garage.config.build.timeoutS,
    renew: (stage) => renewLease(garage, attempt.id, stage),
  });
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
  await deliver(remote, garage.home, attempt, await makeJob(garage, attempt, instance, devel), folder);
}
