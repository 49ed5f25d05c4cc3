/**
 * apt in a check's target. The base keeps its package lists, so only those of the product's own queue are
 * fetched at first, and only those are read: apt takes a second for the base's. All of them are read, and then
 * fetched anew, when that was not enough.
 */
import { unreachable } from '../../../shared/errors/app-error.ts';
import { jobFailure } from '../build/failure.ts';
import { readAptFailure } from '../target/apt-errors.ts';
import type { Target } from '../target/target.ts';
import type { Argv } from '../target/userns.ts';
import { CHECK_FOLDER, LOCAL_LIST } from './room.ts';

/** apt's and dpkg's messages are parsed, so no locale may change them. */
const ENVIRONMENT = { LC_ALL: 'C' };

/** Whose the failure is: `unmet` names dependencies that nobody has, `package` is the packages' own. */
export interface InstallFailure {
  kind: 'unmet' | 'package';
  missing: string[];
  /** One line of apt's or dpkg's. */
  line: string;
}

async function update(target: Target, options: string[]): Promise<void> {
  const { code, tail } = await target.exec(['apt-get', ...options, 'update'], { env: ENVIRONMENT });
  if (code === 0) return;
  const failure = readAptFailure(tail);
  throw jobFailure(
    'machine',
    `apt-get update failed: ${failure.kind === 'unmet' ? 'see the log' : failure.line}`,
  );
}

/** Only the product's own queue. */
const OWN_SOURCES = [
  '-oDir::Etc::SourceList=/etc/apt/sources.list.d/extra.sources',
  '-oDir::Etc::SourceParts=-',
];

/** The lists of the product's own queue, which change all the time; those of the base stay as they are. */
export function updateOwn(target: Target): Promise<void> {
  return update(target, [...OWN_SOURCES, '-oAPT::Get::List-Cleanup=0']);
}

export function updateAll(target: Target): Promise<void> {
  return update(target, []);
}

/** Runs the rest of argv with its output in the file that comes first. */
const INTO_FILE = 'open STDOUT, ">", shift or die "$!\\n"; exec @ARGV or die "$!\\n"';

/** Makes what lies in the check's folder a repository. */
export async function indexLocalPackages(target: Target): Promise<void> {
  const cwd = `${CHECK_FOLDER}/files`;
  const scan: Argv = ['perl', '-e', INTO_FILE, 'Packages', 'dpkg-scanpackages', '--multiversion', '.'];
  const { code } = await target.exec(scan, { cwd });
  if (code !== 0) throw jobFailure('package', 'The packages cannot be read by dpkg-scanpackages');
}

/** Lets apt take what lies in the check's folder for what is depended on. Before an update of all lists. */
export async function useLocalPackages(target: Target): Promise<void> {
  await indexLocalPackages(target);
  await target.exec(['mv', LOCAL_LIST, '/etc/apt/sources.list.d/']);
}

/** The line in which dpkg says what went wrong, which apt's own does not. */
function dpkgError(tail: string): string | null {
  const match = /^dpkg: error processing (?:package|archive) (\S+).*\n\s*(.+)$/m.exec(tail);
  return match === null ? null : `${(match[1] ?? '').replace(/^.*\//, '')}: ${match[2] ?? ''}`;
}

async function tryInstall(
  target: Target,
  what: string[],
  options: string[] = [],
): Promise<InstallFailure | { kind: 'fetch'; line: string } | null> {
  const argv: Argv = ['apt-get', ...options, 'install', '--yes', '--no-install-recommends', '--', ...what];
  const { code, tail } = await target.exec(argv, { env: ENVIRONMENT });
  if (code === 0) return null;
  const failure = readAptFailure(tail);
  switch (failure.kind) {
    case 'unmet': {
      const names = failure.missing.length > 0 ? failure.missing.join(', ') : 'see the log';
      return { kind: 'unmet', missing: failure.missing, line: `dependencies cannot be had: ${names}` };
    }
    case 'fetch':
      return failure;
    case 'other':
      return { kind: 'package', missing: [], line: dpkgError(tail) ?? failure.line };
    default:
      return unreachable(failure);
  }
}

/**
 * Installs paths of .debs or names; null when that went well. Lists that are not read or old are no reason to
 * fail: all are fetched anew before a dependency counts as missing. Throws `job-machine` when the archives
 * cannot be reached.
 */
export async function install(target: Target, what: string[]): Promise<InstallFailure | null> {
  for (const options of [OWN_SOURCES, []]) {
    const failure = await tryInstall(target, what, options);
    if (failure === null || failure.kind === 'package') return failure;
  }
  await updateAll(target);
  return installFresh(target, what);
}

/** {@link install} when all lists are new. */
export async function installFresh(target: Target, what: string[]): Promise<InstallFailure | null> {
  const failure = await tryInstall(target, what);
  if (failure?.kind === 'fetch') throw jobFailure('machine', `apt could not fetch: ${failure.line}`);
  return failure;
}
