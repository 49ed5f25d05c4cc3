/** The life of one try of a check, as dispatch/attempt.ts has it for builds. */
import { rename, stat } from 'node:fs/promises';
import { AppError } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { Result } from '../../../shared/protocol/job.ts';
import { pushFile } from '../../../shared/ssh/remote-files.ts';
import type { Dispatch } from '../dispatch/attempt.ts';
import { remoteFolder } from '../dispatch/deliver.ts';
import { followLog } from '../dispatch/follow.ts';
import { productOf } from '../dispatch/job.ts';
import { bestEffort, endOfError, overRemote, persist } from '../dispatch/persist.ts';
import { startPulse } from '../dispatch/pulse.ts';
import { readResult } from '../dispatch/read-result.ts';
import { callRunner, makeFolder, pushRunner, readStage, type Remote } from '../dispatch/remote.ts';
import { finishCheck, type CheckOutcome } from './finish.ts';
import { makeCheckJob, maxLogBytes, timeLimitS } from './job.ts';
import { checkLeaseLeftMs, renewCheck } from './lease.ts';
import { runningCheck, type CheckRow } from './rows.ts';

/** Sees a check that runs through to the end of this try. Returns unfinished once `stopping` is aborted. */
export function runCheck(dispatch: Dispatch, checkId: string): Promise<void> {
  return persist(dispatch, { check: checkId }, (lastReason) => oneTry(dispatch, checkId, lastReason));
}

async function oneTry(dispatch: Dispatch, checkId: string, lastReason: string): Promise<void> {
  const { garage } = dispatch;
  const check = await runningCheck(garage.pool, checkId);
  if (!check) return;
  if ((await checkLeaseLeftMs(garage, checkId)) <= 0) {
    const message = `Host '${check.host.name}' was lost: ${lastReason}`;
    await finishCheck(garage, check, { exitClass: 'machine', message, result: null });
    return;
  }
  await overRemote(dispatch, check.host, (remote) => attend(dispatch, check, remote));
}

async function attend(dispatch: Dispatch, check: CheckRow, remote: Remote): Promise<void> {
  const { garage } = dispatch;
  const folder = remoteFolder(remote, dispatch.instance, check.jobId);
  let outcome: CheckOutcome;
  try {
    const result = await carryOut(dispatch, check, remote, folder);
    outcome = { exitClass: result.exitClass, message: result.message, result };
  } catch (error) {
    outcome = { ...endOfError(error, remote), result: null };
    if (outcome.exitClass === 'cancelled')
      await bestEffort(dispatch, check.host, callRunner(remote, ['cancel', folder]));
  }
  const current = (await runningCheck(garage.pool, check.id)) ?? check;
  const ended = await finishCheck(garage, { ...current, jobId: check.jobId }, outcome);
  const { id, name } = check;
  garage.log.info(
    { check: id, name, build: check.attempt.buildId, exitClass: outcome.exitClass, message: outcome.message },
    ended ? 'check finished' : 'check was finished before; its result is not taken',
  );
  await bestEffort(dispatch, check.host, callRunner(remote, ['remove', folder]));
}

async function carryOut(
  dispatch: Dispatch,
  check: CheckRow,
  remote: Remote,
  folder: string,
): Promise<Result> {
  const { garage } = dispatch;
  const logFile = joinInside(garage.home.root, check.log);
  const pulse = startPulse(garage, remote, folder, {
    startedAt: check.startedAt,
    limitS: timeLimitS(garage, check.name),
    renew: () => renewCheck(garage, check.id, check.jobId),
  });
  try {
    await pushRunner(remote, dispatch.bundle);
    if ((await readStage(remote, folder)) === null) {
      await keepOldLog(logFile);
      await bring(dispatch, check, remote, folder);
    }
    pulse.signal.throwIfAborted();
    await callRunner(remote, ['start', folder]);
    await followLog(remote, folder, logFile, maxLogBytes(garage), pulse.signal);
    return (await readResult(remote, folder, check.jobId)).result;
  } finally {
    await pulse.stop();
  }
}

/** The log of the try before stays beside the new one; of those before that nobody knows more. */
async function keepOldLog(logFile: string): Promise<void> {
  if (await stat(logFile).catch(() => null)) await rename(logFile, `${logFile}.1`);
}

/** Sends packages, source and job, the job last: a folder with a job.json has everything. */
async function bring(dispatch: Dispatch, check: CheckRow, remote: Remote, folder: string): Promise<void> {
  const { garage, instance } = dispatch;
  const devel = await dispatch.repository.sourceFor(productOf(garage, check.attempt.product));
  if (devel === null) throw new AppError('repository-not-ready', 'The repository does not answer');
  const { job, parcels } = await makeCheckJob(garage, check, instance, devel);
  await makeFolder(remote, `${folder}/source`);
  const files = await remote.connection.files();
  for (const { file, name, size } of parcels)
    await pushFile(files, { file, size }, `${folder}/source/${name}`);
  await pushFile(files, Buffer.from(JSON.stringify(job, null, 2)), `${folder}/job.json`);
}
