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
import type { Base } from './base.ts';
import { HOST_NAME, placeFile, placeSources } from './system-files.ts';
import type { Target } from './target.ts';
import type { Argv } from './userns.ts';

/** apt's messages are parsed, so no locale may change them. */
export const APT_ENVIRONMENT = { LC_ALL: 'C' };

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

/** Below a root: what {@link seedTarget} puts there beside the source. */
export const SEEDED = [
  'etc/hosts',
  'etc/resolv.conf',
  'etc/apt/apt.conf.d/91host-proxy',
  'etc/apt/preferences.d/90autobuilder',
  'etc/apt/sources.list.d/extra.sources',
] as const;

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

/**
 * Which lists are fetched: `own` are those of the repositories beside the base, which change all the time; the
 * base's were fetched when it was made, and are fetched again for `all`.
 */
export type Lists = 'own' | 'all';

/** Only the lists of the repositories beside the base; the others stay. */
const OWN = [
  `-oDir::Etc::SourceList=/etc/apt/sources.list.d/extra.sources`,
  '-oDir::Etc::SourceParts=-',
  '-oAPT::Get::List-Cleanup=0',
];

/** `apt-get update`; a failure is the machine's or its network's. */
export async function updateLists(target: Target, lists: Lists): Promise<void> {
  const argv: Argv = ['apt-get', ...(lists === 'own' ? OWN : []), 'update'];
  const { code, tail } = await target.exec(argv, { env: APT_ENVIRONMENT });
  if (code === 0) return;
  const failure = readAptFailure(tail);
  const line = failure.kind === 'unmet' ? 'apt gave no reason' : failure.line;
  throw jobFailure('machine', `apt-get update failed: ${line}`);
}

/** A base's lists do for so long; who is refreshed every day (garage's default) never waits for them. */
const LISTS_FRESH_HOURS = 26;

/** Brings the target's lists up to date, the base's only where they are old. Gives whether they may be. */
export async function bringLists(target: Target, base: Pick<Base, 'ageHours'>, job: Job): Promise<boolean> {
  const isFresh = base.ageHours < LISTS_FRESH_HOURS;
  if (isFresh && job.extraSources.length === 0) return true;
  await updateLists(target, isFresh ? 'own' : 'all');
  return isFresh;
}

/** For an install job: what cannot be installed is the package's fault. */
export async function installPackages(
  target: Target,
  packages: string[],
  areListsOld: boolean,
): Promise<void> {
  const argv: Argv = ['apt-get', 'install', '--yes', '--no-install-recommends', '--', ...packages];
  const { code, tail } = await target.exec(argv, { env: APT_ENVIRONMENT });
  if (code === 0) return;
  const failure = readAptFailure(tail);
  if (areListsOld && failure.kind !== 'other') {
    await updateLists(target, 'all');
    return installPackages(target, packages, false);
  }
  switch (failure.kind) {
    case 'unmet': {
      const { missing } = failure;
      const names = missing.length > 0 ? missing.join(', ') : 'see the log';
      throw jobFailure('package', `Dependencies cannot be had: ${names}`, { missing });
    }
    case 'fetch':
      throw jobFailure('machine', `apt could not fetch: ${failure.line}`);
    case 'other':
      throw jobFailure('package', `apt failed: ${failure.line}`);
  }
}
