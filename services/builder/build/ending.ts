/** How a job ends: what its end means, what is left of it, and its result. */
import { rm } from 'node:fs/promises';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import type { ExitClass, LimitName, Result, Stage } from '../../../shared/protocol/job.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { finish } from '../results/state-files.ts';
import { keepTarget } from '../target/kept.ts';
import type { Attempt } from './attempt.ts';
import { classOf } from './failure.ts';
import type { Breach } from './limits.ts';
import type { Running } from './run-job.ts';

/** Why the runner itself ended the work. */
export type EndedBy = 'cancelled' | Breach;

export interface End {
  exitClass: ExitClass;
  stage: Stage;
  message: string;
  missing: string[];
  files: FileEntry[];
  limit?: LimitName;
}

/** Whose fault a limit is: a log's length is always the package's, the rest is in stage `build`. */
function classOfBreach(breach: Breach, stage: Stage): ExitClass {
  if (breach.isMachines === true) return 'machine';
  return breach.limit === 'log' || stage === 'build' ? 'package' : 'machine';
}

/** What an error means, given why the runner ended the work, if it did. */
export function endOf(error: unknown, stage: Stage, endedBy: EndedBy | null): End {
  const end = { stage, missing: [], files: [] };
  if (endedBy === null) {
    const { exitClass, missing } = classOf(error);
    return { ...end, exitClass, missing, message: messageOf(error) };
  }
  if (endedBy === 'cancelled') {
    return { ...end, exitClass: 'cancelled', message: 'The job was cancelled' };
  }
  const { limit, message } = endedBy;
  return { ...end, exitClass: classOfBreach(endedBy, stage), message, limit };
}

/** Keeps or removes the target and lets the base go; a failure here is noted and changes no result. */
async function cleanUp(running: Running, end: End): Promise<number | null> {
  const { attempt, job, driver, log } = running;
  try {
    const isFailed = end.exitClass === 'package' || end.exitClass === 'dep-wait';
    const keepS = isFailed && driver !== null && 'keep' in driver ? job.keepFailedS : undefined;
    const isKept = keepS !== undefined && (await keepTarget(attempt, driver as never, keepS));
    if (isKept) log.line(`The target is kept for ${String(keepS)} s`);
    else await driver?.close();
    await running.base?.release();
    return isKept ? keepS : null;
  } catch (error) {
    log.line(`W: the target could not be removed: ${messageOf(error)}`);
    return null;
  }
}

/** A job that did not succeed has no results, however far it came. */
async function removeResults(attempt: Attempt): Promise<void> {
  for (const folder of [attempt.results, `${attempt.results}.partial`]) {
    await rm(folder, { recursive: true, force: true });
  }
}

function logEnd(running: Running, end: End, error: unknown): void {
  const isUnknown = error instanceof Error && !(error instanceof AppError);
  if (isUnknown) running.log.line(`E: ${error.stack ?? error.message}`);
  running.log.line(
    end.exitClass === 'success'
      ? 'Result: success'
      : `Result: ${end.exitClass} in ${end.stage}: ${end.message}`,
  );
}

function resultOf(running: Running, end: End, keptS: number | null): Result {
  const { attempt, stages, driverName } = running;
  return {
    version: 1,
    attempt: attempt.id,
    ...end,
    driver: driverName,
    stageSeconds: stages.seconds,
    startedAt: stages.startedAt,
    finishedAt: new Date().toISOString(),
    ...(running.report === null ? {} : { check: running.report }),
    ...(keptS === null ? {} : { keptS }),
  };
}

/** Stages `ending` and `done`. `error` is what ended the work, for the log. */
export async function conclude(running: Running, end: End, error: unknown): Promise<void> {
  const { attempt, stages, log } = running;
  await stages.enter('ending');
  const keptS = await cleanUp(running, end);
  if (end.exitClass !== 'success') await removeResults(attempt);
  await stages.enter('done');
  logEnd(running, end, error);
  log.close();
  await finish(attempt, resultOf(running, end, keptS), process.pid);
}
