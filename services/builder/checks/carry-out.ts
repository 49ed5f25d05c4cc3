/** A job of kind `check`, from its target to its verdict. */
import { unreachable } from '../../../shared/errors/app-error.ts';
import type { CheckJob, CheckReport } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import { openDriver, type Driver } from '../target/driver.ts';
import { checkAutopkgtest, hasTests } from './autopkgtest.ts';
import { checkInstall, installable } from './install.ts';
import { checkLintian } from './lintian.ts';
import { checkPiuparts, withChroot } from './piuparts.ts';
import { buildAgain, compareBuilds } from './rebuild.ts';
import { CheckRoom, type RoomOptions } from './room.ts';
import { reportOf, type Verdict } from './verdict.ts';

export interface CheckContext extends Omit<RoomOptions, 'more' | 'seed'> {
  /** Told of what must be closed at the end, and of the report. */
  running: { driver: Pick<Driver, 'close'> | null; report: CheckReport | null };
}

/** The report of a check that passes without a look into any system; null for all others. */
export async function verdictWithoutTarget(job: CheckJob, sourceFolder: string): Promise<CheckReport | null> {
  if (job.check === 'autopkgtest' && !(await hasTests(job, sourceFolder))) {
    return reportOf('The source package has no tests');
  }
  const isForSystems = job.check === 'install' || job.check === 'piuparts';
  if (isForSystems && installable(job).length === 0) {
    return reportOf('There is no package that is installed on a system');
  }
  return null;
}

/** Stages `setup` and `build`. Throws `job-package` for a failed check, `job-dep-wait` for unmet dependencies. */
export async function carryOutCheck(context: CheckContext): Promise<void> {
  const { running, stages, log } = context;
  await stages.enter('setup');
  const verdict = await reach(context);
  await stages.enter('ending');
  running.report = verdict.report;
  for (const line of [verdict.report.note, ...verdict.report.lines]) log.line(`  ${line}`);
  switch (verdict.kind) {
    case 'passed':
      return;
    case 'failed':
      throw jobFailure('package', verdict.report.note);
    case 'unmet':
      throw jobFailure('dep-wait', verdict.report.note, { missing: verdict.missing });
    default:
      unreachable(verdict);
  }
}

async function reach(context: CheckContext): Promise<Verdict> {
  const { job, running } = context;
  if (job.check === 'rebuild') return rebuild(context);
  // A check that takes too long is the package's fault from here on.
  await context.stages.enter('build');
  const room = new CheckRoom(job.check === 'piuparts' ? withChroot(context) : context);
  running.driver = room;
  switch (job.check) {
    case 'install':
      return checkInstall(job, room);
    case 'lintian':
      return checkLintian(job, room);
    case 'autopkgtest':
      return checkAutopkgtest(job, room);
    case 'piuparts':
      return checkPiuparts(room, context);
    default:
      return unreachable(job.check);
  }
}

async function rebuild(context: CheckContext): Promise<Verdict> {
  const { job, attempt, driverName, running } = context;
  const driver = openDriver(driverName, context);
  running.driver = driver;
  const files = await buildAgain(job, driver, attempt.results);
  const names = files.map((file) => file.name);
  const room = new CheckRoom({ ...context, more: { again: { folder: attempt.results, names } } });
  running.driver = room;
  return compareBuilds(job, files, room);
}
