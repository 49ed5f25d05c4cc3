/**
 * One job from `init` to `done`, in the detached process. Whatever happens on the way, it ends with the
 * target removed (or kept, where the job says so), a result written, and the status `done`, in this order.
 */
import { AppError, unreachable } from '../../../shared/errors/app-error.ts';
import type { CheckReport, Job } from '../../../shared/protocol/job.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { carryOutCheck, verdictWithoutTarget } from '../checks/carry-out.ts';
import { exitCodeFor } from '../cli/exit-codes.ts';
import { BuildLog, fileSink } from '../logs/build-log.ts';
import { collectResults } from '../results/collect.ts';
import { ensureBase, type Base } from '../target/base.ts';
import { driverNameFor, openDriver, type Driver } from '../target/driver.ts';
import { removeOldTemporaries } from '../target/open-temporary.ts';
import type { Attempt } from './attempt.ts';
import { checkSource } from './check-source.ts';
import { conclude, endOf, type End, type EndedBy } from './ending.ts';
import { requireTools } from './host-tools.ts';
import { removeLeftovers } from './leftovers.ts';
import { LimitWatch } from './limits.ts';
import { Stages } from './stages.ts';

export interface Running {
  attempt: Attempt;
  job: Job;
  log: BuildLog;
  stages: Stages;
  signal: AbortSignal;
  /** Host folders that the job fills. */
  places: Set<string>;
  /** What stands of the target. */
  driver: Pick<Driver, 'close'> | Driver | null;
  driverName: Driver['name'];
  base: Base | null;
  /** Of a check that came to a verdict, whichever. */
  report: CheckReport | null;
}

type JobOf<K extends Job['kind']> = Extract<Job, { kind: K }>;

/** What each kind of job does with its base; gives the entries in `results/`. A new kind is a line here. */
const KINDS: { [K in Job['kind']]: (running: Running, base: Base, job: JobOf<K>) => Promise<FileEntry[]> } = {
  base: async () => [],
  build: async (running, base, job) => {
    const folder = await openRunning(running, base).build(job);
    await running.stages.enter('ending');
    return collectResults(folder, running.attempt.results, job);
  },
  install: async (running, base, job) => {
    await openRunning(running, base).install(job);
    return [];
  },
  check: async (running, base, job) => {
    const { attempt, stages, log, signal, places, driverName } = running;
    await carryOutCheck({ attempt, base, stages, log, signal, places, job, driverName, running });
    return [];
  },
};

function openRunning(running: Running, base: Base): Driver {
  const { attempt, stages, log, signal, places } = running;
  const driver = openDriver(running.driverName, { attempt, base, stages, log, signal, places });
  running.driver = driver;
  return driver;
}

/** The stages up to and with `ending`'s results. */
async function work(running: Running, limits: LimitWatch): Promise<FileEntry[]> {
  const { attempt, job, log, stages, signal } = running;
  await stages.enter('init');
  log.line(`Attempt ${attempt.id}, ${describe(job)}, for ${job.base.product}/${job.base.architecture}`);
  running.driverName = await driverNameFor(job, attempt.workdir);
  await requireTools(job, running.driverName);
  if (job.kind === 'build' || job.kind === 'check') await checkSource(attempt.source, job);
  await stages.enter('clean');
  await removeLeftovers(attempt, job, log);
  await removeOldTemporaries(attempt.workdir);
  if ((await limits.fullDisk()) !== null) throw new AppError('disk-full', 'The disk is full');
  if (job.kind === 'check') running.report = await verdictWithoutTarget(job, attempt.source);
  if (running.report !== null) return [];
  await stages.enter('prep');
  running.base = await ensureBase(job.base, { workdir: attempt.workdir, log, signal });
  log.line(`Driver ${running.driverName}, base ${running.base.folder}`);
  const carryOut = KINDS[job.kind] as (typeof KINDS)['build'];
  return carryOut(running, running.base, job as JobOf<'build'>);
}

function describe(job: Job): string {
  switch (job.kind) {
    case 'base':
      return 'base';
    case 'install':
      return `install of ${job.packages.join(' ')}`;
    case 'build':
      return `build of ${job.source} ${job.sourceVersion}`;
    case 'check':
      return `check (${job.check}) of ${job.source} ${job.sourceVersion}`;
    default:
      return unreachable(job);
  }
}

/** Runs a claimed attempt's job; gives the exit code of sbdmock's kind. */
export async function runJob(attempt: Attempt, job: Job): Promise<number> {
  const controller = new AbortController();
  let endedBy: EndedBy | null = null;
  const endJob = (reason: EndedBy): void => {
    endedBy ??= reason;
    controller.abort();
  };
  const log = new BuildLog(fileSink(attempt.log), job.maxLogBytes, () => {
    endJob({ limit: 'log', message: `The log reached its limit of ${job.maxLogBytes} bytes` });
  });
  const stages = new Stages(attempt, log);
  const timer = setTimeout(() => {
    endJob({ limit: 'time', message: `The job took longer than ${job.timeoutS} s` });
  }, job.timeoutS * 1000);
  process.on('SIGTERM', () => endJob('cancelled'));
  process.on('SIGINT', () => endJob('cancelled'));
  process.on('SIGHUP', () => undefined); // the connection that started it may go
  const running: Running = {
    ...{ attempt, job, log, stages, signal: controller.signal, driver: null, base: null, report: null },
    places: new Set([attempt.target]),
    driverName: job.driver === 'sbuild' ? 'sbuild' : 'overlay',
  };
  const { places } = running;
  const watched = { job, log, stage: () => stages.current, places, workdir: attempt.workdir };
  const limits = new LimitWatch(watched, endJob);
  limits.start();
  let end: End;
  let failure: unknown = null;
  try {
    const files = await work(running, limits);
    if (endedBy !== null) throw new AppError('ended', 'The job was ended');
    end = { exitClass: 'success', stage: 'done', message: '', missing: [], files };
  } catch (error) {
    failure = error;
    // A full disk shows in many ways, seldom by its name.
    end = endOf(error, stages.current, endedBy ?? (await limits.fullDisk().catch(() => null)));
  }
  clearTimeout(timer);
  await limits.stop();
  await conclude(running, end, failure);
  return exitCodeFor(end.exitClass, end.stage);
}
