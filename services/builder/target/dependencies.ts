/** Build-dependencies: what apt would fetch for them, and installing them. */
import { unreachable } from '../../../shared/errors/app-error.ts';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import { jobFailure } from '../build/failure.ts';
import { readAptFailure, type AptFailure } from './apt-errors.ts';
import { APT_ENVIRONMENT, BUILD_FOLDER, updateLists } from './setup.ts';
import type { Target } from './target.ts';
import type { Argv } from './userns.ts';

/** One package that apt would fetch. */
export interface PlannedPackage {
  /** Its file below `/var/cache/apt/archives`. */
  name: string;
  size: number;
  sha256: string;
}

/** A line for each of thousands of packages; one line has some 250 bytes. */
const MAX_PLAN_BYTES = 4 * 1024 * 1024;
/** `'http://host/path' name size SHA256:sum` */
const PLAN_LINE = /^'[^']+' ([A-Za-z0-9.+_%~-]+) (\d+) SHA256:([0-9a-f]{64})$/;

function argvFor(job: BuildJob, options: string[]): Argv {
  const limits = { any: ['--arch-only'], all: ['--indep-only'], both: [] }[job.binaries];
  const profiles = job.buildProfiles.length > 0 ? [`--build-profiles=${job.buildProfiles.join(',')}`] : [];
  const how = ['--yes', '--no-install-recommends', ...options];
  return ['apt-get', 'build-dep', ...how, ...limits, ...profiles, `${BUILD_FOLDER}/${job.dsc}`];
}

function environment(job: BuildJob): Record<string, string> {
  return { ...APT_ENVIRONMENT, DEB_BUILD_PROFILES: job.buildProfiles.join(' ') };
}

/** apt's --print-uris; null for what is not in the form, or names a package without a SHA256. */
export function parsePlan(output: string): PlannedPackage[] | null {
  const lines = output.split('\n').filter((line) => line.startsWith("'"));
  const plan: PlannedPackage[] = [];
  for (const line of lines) {
    const [, name, size, sha256] = PLAN_LINE.exec(line) ?? [];
    if (name === undefined || size === undefined || sha256 === undefined) return null;
    plan.push({ name, size: Number(size), sha256 });
  }
  return plan;
}

/**
 * What build-dep would fetch with nothing at hand, in apt's order; null when that cannot be said, which
 * {@link installBuildDependencies} explains.
 */
export async function planBuildDependencies(target: Target, job: BuildJob): Promise<PlannedPackage[] | null> {
  const options = { env: environment(job), captureBytes: MAX_PLAN_BYTES };
  const { code, tail } = await target.exec(
    argvFor(job, ['--print-uris', '-oAcquire::ForceHash=SHA256']),
    options,
  );
  return code === 0 && Buffer.byteLength(tail) < MAX_PLAN_BYTES ? parsePlan(tail) : null;
}

function failureOf(failure: AptFailure): Error {
  switch (failure.kind) {
    case 'unmet': {
      const names = failure.missing.length > 0 ? failure.missing.join(', ') : 'see the log';
      const { missing } = failure;
      return jobFailure('dep-wait', `Dependencies cannot be had: ${names}`, { missing });
    }
    case 'fetch':
      return jobFailure('machine', `apt could not fetch: ${failure.line}`);
    case 'other':
      return jobFailure('machine', `apt failed: ${failure.line}`);
    default:
      return unreachable(failure);
  }
}

/**
 * Build-dependencies as far as `binaries` needs them. With `areListsOld`, what cannot be had or fetched is
 * looked for in fresh lists before it counts. Throws `dep-wait` or `machine` failures.
 */
export async function installBuildDependencies(
  target: Target,
  job: BuildJob,
  areListsOld: boolean,
): Promise<void> {
  // What was fetched is taken into the package cache, or thrown away with the target.
  const keep = ['-oAPT::Keep-Downloaded-Packages=true'];
  const { code, tail } = await target.exec(argvFor(job, keep), { env: environment(job) });
  if (code === 0) return;
  const failure = readAptFailure(tail);
  if (!areListsOld || failure.kind === 'other') throw failureOf(failure);
  await updateLists(target, 'all');
  await installBuildDependencies(target, job, false);
}
