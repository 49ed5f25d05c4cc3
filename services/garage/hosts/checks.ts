/** The checks of a host before anything is built there, over one connection; each says what it found. */
import type { Probe } from '../../../shared/protocol/job.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { makeFolder, probeHost, pushRunner, reasonOf, type Remote } from '../dispatch/remote.ts';
import type { RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import type { HostCheck } from './report.ts';

/** The runner's own least version. */
const MIN_NODEJS = 18;
/** Archives reject what is signed in the future, and say until when they are valid, by hours. */
const MAX_CLOCK_OFFSET_MS = 5 * 60_000;
/** An answer of one line or a few. */
const MAX_ANSWER_BYTES = 64 * 1024;
const SHELL_COULD_NOT_FIND = 127;

export interface CheckContext {
  remote: Remote;
  bundle: RunnerBundle;
  /** Called with each check as it is through. */
  onCheck: (check: HostCheck) => void;
}

/** Runs one command there. Never throws for its exit status. */
async function ask(remote: Remote, argv: [string, ...string[]]): Promise<{ code: number; text: string }> {
  const chunks: Buffer[] = [];
  let size = 0;
  const { code } = await remote.connection.exec(argv, {
    onStdout: (chunk) => {
      size += chunk.length;
      if (size <= MAX_ANSWER_BYTES) chunks.push(chunk);
    },
  });
  return { code, text: Buffer.concat(chunks).toString('utf8').trim() };
}

/** What is wrong, as an error's sentence. */
function failed(name: string, says: string, fix?: string): HostCheck {
  return { name, state: 'failed', says, ...(fix === undefined ? {} : { fix }) };
}

const passed = (name: string, says: string): HostCheck => ({ name, state: 'passed', says });

export const install = (...packages: string[]): string =>
  `apt-get install --no-install-recommends ${packages.join(' ')}`;

/** Everything but the connection and trial builds; false when no build can work there. */
export async function checkHost(context: CheckContext): Promise<boolean> {
  const { remote, onCheck } = context;
  const first = [checkLogin, checkNodejs, checkWorkdir];
  for (const check of first) {
    const result = await check(context);
    onCheck(result);
    if (result.state === 'failed') return false;
  }
  let found: Probe;
  const asked = Date.now();
  try {
    found = await probeHost(remote);
  } catch (error) {
    onCheck(failed('tools', reasonOf(error)));
    return false;
  }
  const offsetMs = clockOffset(found, asked, Date.now());
  const results = [
    checkTools(found),
    await checkNamespaces(remote, found),
    checkOverlay(found),
    checkDisk(remote, found),
    checkClock(offsetMs),
    ...(await Promise.all(remote.host.architectures.map((each) => checkArchitecture(remote, found, each)))),
  ];
  results.forEach(onCheck);
  return results.every(({ state }) => state !== 'failed');
}

async function checkLogin({ remote }: CheckContext): Promise<HostCheck> {
  const { username } = remote.host;
  const { code, text } = await ask(remote, ['id', '-u']);
  if (code !== 0) return failed('login', `'id -u' ended with ${String(code)}: no usual shell?`);
  if (text !== '0') return passed('login', `as ${username}, who is not root`);
  const fix = 'useradd --create-home --shell /bin/bash builder';
  return failed('login', `'${username}' is root, and builds never run as root`, fix);
}

async function checkNodejs({ remote }: CheckContext): Promise<HostCheck> {
  const { code, text } = await ask(remote, ['nodejs', '--version']);
  if (code === SHELL_COULD_NOT_FIND) return failed('nodejs', 'It is not installed', install('nodejs'));
  const version = Number(/^v(\d+)\./.exec(text)?.[1]);
  if (version >= MIN_NODEJS) return passed('nodejs', text);
  const says = `Version ${String(MIN_NODEJS)} or later is needed, not '${text.slice(0, 40)}'`;
  return failed('nodejs', says, install('nodejs'));
}

async function checkWorkdir({ remote, bundle }: CheckContext): Promise<HostCheck> {
  const { workdir, username } = remote.host;
  try {
    await makeFolder(remote, workdir);
    await pushRunner(remote, bundle);
    return passed('work folder', workdir);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const fix = `install -d -o ${username} -g ${username} ${workdir}`;
    return failed('work folder', reasonOf(error), fix);
  }
}

function checkTools({ missingPackages }: Probe): HostCheck {
  if (missingPackages.length === 0) return passed('tools', 'everything the runner calls is there');
  return failed(
    'tools',
    `Debian packages are missing: ${missingPackages.join(' ')}`,
    install(...missingPackages),
  );
}

async function checkNamespaces(remote: Remote, found: Probe): Promise<HostCheck> {
  if (found.userNamespaces) return passed('namespaces', `kernel ${found.kernel} gives users their own`);
  const { username } = remote.host;
  const { code } = await ask(remote, ['grep', '-q', '-F', `${username}:`, '/etc/subuid']);
  if (code !== 0) {
    const fix = `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`;
    return failed('namespaces', `'${username}' has no ranges in /etc/subuid and /etc/subgid`, fix);
  }
  const switches = ['kernel.unprivileged_userns_clone=1', 'kernel.apparmor_restrict_unprivileged_userns=0'];
  const fix = [install('uidmap'), ...switches.map((each) => `sysctl -w ${each}   # where it has this`)];
  return failed('namespaces', 'No user may make namespaces there, so nothing can be built', fix.join('\n'));
}

function checkOverlay({ overlay }: Probe): HostCheck {
  if (overlay) return passed('overlay', 'targets start at once');
  const says = 'No overlay mounts there; sbuild is used, which unpacks the base for each build';
  const fix = 'A kernel of 5.11 or later, and a work folder on ext4, xfs, btrfs or tmpfs';
  return { name: 'overlay', state: 'warning', says, fix };
}

function checkDisk({ host }: Remote, { freeBytes }: Probe): HostCheck {
  const says = `${gigabytes(freeBytes)} are free in ${host.workdir}`;
  if (freeBytes >= host.minFreeBytes) return passed('disk', says);
  const fix = `Free some, or lower the limit: autobuilder host set ${host.name} --min-free GB`;
  return failed('disk', `${says}, ${gigabytes(host.minFreeBytes)} must be`, fix);
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** How far its clock is ahead of ours, in milliseconds; the answer was on its way for an unknown part of the time. */
export function clockOffset(
  { clockMs }: Pick<Probe, 'clockMs'>,
  askedMs: number,
  answeredMs: number,
): number {
  if (clockMs < askedMs) return clockMs - askedMs;
  return Math.max(0, clockMs - answeredMs);
}

export function isClockWrong(offsetMs: number): boolean {
  return Math.abs(offsetMs) > MAX_CLOCK_OFFSET_MS;
}

function checkClock(offsetMs: number): HostCheck {
  const seconds = Math.round(Math.abs(offsetMs) / 1000);
  const says =
    seconds === 0 ? 'as ours' : `${String(seconds)} s ${offsetMs > 0 ? 'ahead of' : 'behind'} ours`;
  if (!isClockWrong(offsetMs)) return passed('clock', says);
  return failed('clock', says, `${install('systemd-timesyncd')}\ntimedatectl set-ntp true`);
}

/** Its own always; another where its programs run there, which mmdebstrap asks of arch-test. */
async function checkArchitecture(remote: Remote, found: Probe, architecture: string): Promise<HostCheck> {
  const name = `architecture ${architecture}`;
  if (architecture === found.architecture) return passed(name, 'its own');
  const { code } = await ask(remote, ['arch-test', architecture]);
  if (code === 0) return passed(name, `its programs run on ${found.architecture}`);
  if (code === SHELL_COULD_NOT_FIND) {
    return failed(name, 'arch-test, which says whether its programs run, is missing', install('arch-test'));
  }
  const says = `Programs of ${architecture} do not run there`;
  return failed(name, says, install('qemu-user-static', 'binfmt-support', 'arch-test'));
}
