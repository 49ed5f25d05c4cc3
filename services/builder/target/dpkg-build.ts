/** Stage `build` in a target: unpack and dpkg-buildpackage, as an unprivileged user with the network off. */
import os from 'node:os';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import { parseVersion } from '../../../shared/debian/version.ts';
import { jobFailure } from '../build/failure.ts';
import { BUILD_FOLDER } from './setup.ts';
import { BUILD_USER } from './system-files.ts';
import type { ExecOptions, Target } from './target.ts';
import type { Argv } from './userns.ts';

/** Same path for the same upstream version, so that paths which end up in binaries do not change. */
export function buildPath(job: Pick<BuildJob, 'source' | 'sourceVersion'>): string {
  return `${BUILD_FOLDER}/${job.source}-${parseVersion(job.sourceVersion).upstream}`;
}

/** DEB_BUILD_OPTIONS as words: the job's, and as many processes as the host has unless it says otherwise. */
export function buildOptions(job: Pick<BuildJob, 'buildOptions'>): string {
  const isGiven = job.buildOptions.some((option) => option.startsWith('parallel='));
  return [...job.buildOptions, ...(isGiven ? [] : [`parallel=${os.cpus().length}`])].join(' ');
}

/** dpkg-buildpackage's words for what is to be built. */
export function buildpackageArgv(job: Pick<BuildJob, 'binaries' | 'buildProfiles'>): Argv {
  const what = { any: '-B', all: '-A', both: '-b' }[job.binaries];
  const profiles = job.buildProfiles.length > 0 ? [`-P${job.buildProfiles.join(',')}`] : [];
  return ['dpkg-buildpackage', '-us', '-uc', what, ...profiles];
}

function environment(job: BuildJob): Record<string, string> {
  const epoch = job.sourceDateEpoch;
  return {
    HOME: '/nonexistent',
    LOGNAME: BUILD_USER.name,
    USER: BUILD_USER.name,
    DEB_BUILD_OPTIONS: buildOptions(job),
    ...(epoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(epoch) }),
  };
}

/** Throws a `package` failure for whatever does not end with 0. `prefix` goes before each command (setarch). */
export async function buildInTarget(target: Target, job: BuildJob, prefix: string[]): Promise<void> {
  const folder = buildPath(job);
  const owner = `${BUILD_USER.name}:${BUILD_USER.name}`;
  const as: ExecOptions = { user: 'builder', network: false, cwd: BUILD_FOLDER, env: environment(job) };
  const own = await target.exec(['chown', '--recursive', owner, BUILD_FOLDER]);
  if (own.code !== 0) throw jobFailure('machine', 'The build folder could not be given to the build user');
  const unpack = await target.exec(['dpkg-source', '--extract', job.dsc, folder], as);
  if (unpack.code !== 0) throw jobFailure('package', 'The source package could not be unpacked');
  const argv = [...prefix, ...buildpackageArgv(job)] as Argv;
  const { code, signal } = await target.exec(argv, { ...as, cwd: folder });
  if (code !== 0)
    throw jobFailure('package', `dpkg-buildpackage failed (${signal ?? `exit ${String(code)}`})`);
  // Results are read from outside, by a user who is not their owner.
  await target.exec([
    'find',
    BUILD_FOLDER,
    '-maxdepth',
    '1',
    '-type',
    'f',
    '-exec',
    'chmod',
    'a+r',
    '{}',
    '+',
  ]);
}
