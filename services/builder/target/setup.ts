/** Stage `setup` in a target: sources, `apt-get update`, what is to be installed. */
import { copyFile, readFile } from 'node:fs/promises';
import path from 'node:path';
import { chmod, mkdir } from 'node:fs/promises';
import { run } from '../../../shared/process/run.ts';
import type { BuildJob, Job } from '../../../shared/protocol/job.ts';
import type { Attempt } from '../build/attempt.ts';
import { jobFailure } from '../build/failure.ts';
import { readAptFailure } from './apt-errors.ts';
import { preferencesFor, resolveSources } from './apt-sources.ts';
import { HOST_NAME, placeFile, placeSources } from './system-files.ts';
import type { Target } from './target.ts';
import type { Argv } from './userns.ts';

/** apt's messages are parsed, so no locale may change them. */
const APT_ENVIRONMENT = { LC_ALL: 'C' };

/** The host's proxies for apt: a target has no other way out than the host has. */
async function proxyConfiguration(): Promise<string> {
  const dump = await run(['apt-config', 'dump']).catch(() => null);
  const lines = dump?.stdout.toString('utf8').split('\n') ?? [];
  return lines.filter((line) => /^Acquire::(https?|ftp)::Proxy(::[^ ]+)? "/i.test(line)).join('\n');
}

async function seedNetwork(root: string): Promise<void> {
  const resolver = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  await placeFile(root, '/etc/resolv.conf', resolver);
  const hosts = await readFile('/etc/hosts', 'utf8').catch(() => '127.0.0.1 localhost\n');
  await placeFile(root, '/etc/hosts', `${hosts.trimEnd()}\n127.0.1.1 ${HOST_NAME}\n`);
  const proxy = await proxyConfiguration();
  if (proxy !== '') await placeFile(root, '/etc/apt/apt.conf.d/91host-proxy', `${proxy}\n`);
}

/** Files of the source package in the target, below {@link BUILD_FOLDER}. */
export const BUILD_FOLDER = '/build';

async function seedSource(root: string, attempt: Attempt, job: BuildJob): Promise<void> {
  const folder = path.join(root, BUILD_FOLDER);
  await mkdir(folder, { recursive: true });
  for (const { name } of job.files) {
    await copyFile(path.join(attempt.source, name), path.join(folder, name));
    await chmod(path.join(folder, name), 0o644);
  }
}

/** What the job adds to the base, put in before the target starts. */
export async function seedTarget(root: string, attempt: Attempt, job: Job): Promise<void> {
  const extra = await resolveSources(job.extraSources);
  const base = await resolveSources(job.base.sources);
  await seedNetwork(root);
  await placeSources(root, 'extra', extra);
  const preferences = preferencesFor(extra, base);
  if (preferences !== '') await placeFile(root, '/etc/apt/preferences.d/90autobuilder', preferences);
  if (job.kind === 'build') await seedSource(root, attempt, job);
}

/** `apt-get update`; a failure is the machine's or its network's. */
export async function updateLists(target: Target): Promise<void> {
  const { code, tail } = await target.exec(['apt-get', 'update'], { env: APT_ENVIRONMENT });
  if (code === 0) return;
  const failure = readAptFailure(tail);
  const line = failure.kind === 'unmet' ? 'apt gave no reason' : failure.line;
  throw jobFailure('machine', `apt-get update failed: ${line}`);
}

/** Runs apt-get install or build-dep. Unmet dependencies end the job as `unmetClass`, the rest as `machine`. */
async function aptInstall(
  target: Target,
  argv: Argv,
  unmetClass: 'dep-wait' | 'package',
  env: Record<string, string> = {},
): Promise<void> {
  const { code, tail } = await target.exec(argv, { env: { ...APT_ENVIRONMENT, ...env } });
  if (code === 0) return;
  const failure = readAptFailure(tail);
  switch (failure.kind) {
    case 'unmet': {
      const names = failure.missing.length > 0 ? failure.missing.join(', ') : 'see the log';
      throw jobFailure(unmetClass, `Dependencies cannot be had: ${names}`, { missing: failure.missing });
    }
    case 'fetch':
      throw jobFailure('machine', `apt could not fetch: ${failure.line}`);
    case 'other':
      throw jobFailure(unmetClass === 'package' ? 'package' : 'machine', `apt failed: ${failure.line}`);
  }
}

/** Build-dependencies as far as `binaries` needs them. Throws `dep-wait` or `machine` failures. */
export async function installBuildDependencies(target: Target, job: BuildJob): Promise<void> {
  const limits = { any: ['--arch-only'], all: ['--indep-only'], both: [] }[job.binaries];
  const profiles = job.buildProfiles.length > 0 ? [`--build-profiles=${job.buildProfiles.join(',')}`] : [];
  const dsc = `${BUILD_FOLDER}/${job.dsc}`;
  const argv: Argv = [
    'apt-get',
    'build-dep',
    '--yes',
    '--no-install-recommends',
    ...limits,
    ...profiles,
    dsc,
  ];
  await aptInstall(target, argv, 'dep-wait', { DEB_BUILD_PROFILES: job.buildProfiles.join(' ') });
}

/** For an install job: what cannot be installed is the package's fault. */
export async function installPackages(target: Target, packages: string[]): Promise<void> {
  await aptInstall(
    target,
    ['apt-get', 'install', '--yes', '--no-install-recommends', '--', ...packages],
    'package',
  );
}
