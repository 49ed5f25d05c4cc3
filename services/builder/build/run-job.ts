/**
 * One job from `init` to `done`, in the detached process. Whatever happens on the way, it ends with the
 * target removed, a result written, and the status `done`, in this order.
 */
import { rm } from 'node:fs/promises';
import { AppError, messageOf, unreachable } from '../../../shared/errors/app-error.ts';
import type { CheckReport, ExitClass, Job, Result, Stage } from '../../../shared/protocol/job.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { carryOutCheck } from '../checks/carry-out.ts';
import { exitCodeFor } from '../cli/exit-codes.ts';
import { BuildLog, fileSink } from '../logs/build-log.ts';
import { collectResults } from '../results/collect.ts';
import { finish } from '../results/state-files.ts';
import { ensureBase, type Base } from '../target/base.ts';
import { driverNameFor, openDriver, type Driver } from '../target/driver.ts';
import { removeOldTemporaries } from '../target/open-temporary.ts';
import type { Attempt } from './attempt.ts';
import { checkSource } from './check-source.ts';
import { classOf } from './failure.ts';
import { requireTools } from './host-tools.ts';
import { removeLeftovers } from './leftovers.ts';
import { Stages } from './stages.ts';

type EndedBy = 'cancelled' | 'timeout' | 'log-limit';

interface Running {
  attempt: Attempt;
  job: Job;
  log: BuildLog;
  stages: Stages;
  signal: AbortSignal;
  /** What stands of the target. */
  driver: Pick<Driver, 'close'> | null;
  driverName: Driver['name'];
  base: Base | null;
  /** Of a check that came to a verdict, whichever. */
  report: CheckReport | null;
}

interface End {
  exitClass: ExitClass;
  stage: Stage;
  message: string;
  missing: string[];
  files: FileEntry[];
}

/** The stages up to and with `ending`'s results. */
async function work(running: Running): Promise<FileEntry[]> {
  const { attempt, job, log, stages, signal } = running;
  await stages.enter('init');
  log.line(`Attempt ${attempt.id}, ${describe(job)}, for ${job.base.product}/${job.base.architecture}`);
  running.driverName = await driverNameFor(job, attempt.workdir);
  await requireTools(job, running.driverName);
  if (job.kind !== 'install') await checkSource(attempt.source, job);
  await stages.enter('clean');
  await removeLeftovers(attempt, job, log);
  await removeOldTemporaries(attempt.workdir);
  await stages.enter('prep');
  running.base = await ensureBase(job.base, { workdir: attempt.workdir, log, signal });
  log.line(`Driver ${running.driverName}, base ${running.base.folder}`);
  const { base, driverName } = running;
  const context = { attempt, base, stages, log, signal };
  if (job.kind === 'check') {
    await carryOutCheck({ ...context, job, driverName, running });
    return [];
  }
  const driver = openDriver(driverName, context);
  running.driver = driver;
  if (job.kind === 'install') {
    await driver.install(job);
    return [];
  }
  const folder = await driver.build(job);
  await stages.enter('ending');
  return collectResults(folder, attempt.results, job);
}

function describe(job: Job): string {
  if (job.kind === 'install') return `install of ${job.packages.join(' ')}`;
  const what = job.kind === 'check' ? `check (${job.check})` : 'build';
  return `${what} of ${job.source} ${job.sourceVersion}`;
}

/** What an error means, given why the runner ended the work, if it did. */
function endOf(error: unknown, stage: Stage, endedBy: EndedBy | null, job: Job): End {
  const end = { stage, missing: [], files: [] };
  switch (endedBy) {
    case 'cancelled':
      return { ...end, exitClass: 'cancelled', message: 'The job was cancelled' };
    case 'timeout': {
      const exitClass = stage === 'build' ? 'package' : 'machine';
      return { ...end, exitClass, message: `The job took longer than ${job.timeoutS} s` };
    }
    case 'log-limit': {
      return {
        ...end,
        exitClass: 'package',
        message: `The log reached its limit of ${job.maxLogBytes} bytes`,
      };
    }
    case null: {
      const { exitClass, missing } = classOf(error);
      return { ...end, exitClass, missing, message: messageOf(error) };
    }
    default:
      return unreachable(endedBy);
  }
}

/** Removes the target and lets the base go; a failure here is noted and changes no result. */
async function cleanUp(running: Running): Promise<void> {
  try {
    await running.driver?.close();
    await running.base?.release();
  } catch (error) {
    running.log.line(`W: the target could not be removed: ${messageOf(error)}`);
  }
}

/** A job that did not succeed has no results, however far it came. */
async function removeResults(attempt: Attempt): Promise<void> {
  for (const folder of [attempt.results, `${attempt.results}.partial`]) {
    await rm(folder, { recursive: true, force: true });
  }
}

function logEnd(log: BuildLog, end: End, error: unknown): void {
  const isUnknown = error instanceof Error && !(error instanceof AppError);
  if (isUnknown) log.line(`E: ${error.stack ?? error.message}`);
  log.line(
    end.exitClass === 'success'
      ? 'Result: success'
      : `Result: ${end.exitClass} in ${end.stage}: ${end.message}`,
  );
}

function resultOf(running: Running, end: End): Result {
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
  };
}

async function conclude(running: Running, end: End, error: unknown): Promise<void> {
  const { attempt, stages, log } = running;
  await stages.enter('ending');
  await cleanUp(running);
  if (end.exitClass !== 'success') await removeResults(attempt);
  await stages.enter('done');
  logEnd(log, end, error);
  log.close();
  await finish(attempt, resultOf(running, end), process.pid);
}

/** Runs a claimed attempt's job; gives the exit code of sbdmock's kind. */
export async function runJob(attempt: Attempt, job: Job): Promise<number> {
  const controller = new AbortController();
  let endedBy: EndedBy | null = null;
  const endJob = (reason: EndedBy): void => {
    endedBy ??= reason;
    controller.abort();
  };
  const log = new BuildLog(fileSink(attempt.log), job.maxLogBytes, () => endJob('log-limit'));
  const stages = new Stages(attempt, log);
  const timer = setTimeout(() => endJob('timeout'), job.timeoutS * 1000);
  process.on('SIGTERM', () => endJob('cancelled'));
  process.on('SIGINT', () => endJob('cancelled'));
  process.on('SIGHUP', () => undefined); // the connection that started it may go
  const running: Running = {
    attempt,
    job,
    log,
    stages,
    signal: controller.signal,
    driver: null,
    driverName: job.driver === 'sbuild' ? 'sbuild' : 'overlay',
    base: null,
    report: null,
  };
  let end: End;
  let failure: unknown = null;
  try {
    const files = await work(running);
    if (endedBy !== null) throw new AppError('ended', 'The job was ended');
    end = { exitClass: 'success', stage: 'done', message: '', missing: [], files };
  } catch (error) {
    failure = error;
    end = endOf(error, stages.current, endedBy, job);
  }
  clearTimeout(timer);
  await conclude(running, end, failure);
  return exitCodeFor(end.exitClass, end.stage);
}
