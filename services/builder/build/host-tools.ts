/** Programs that the runner runs on the host, and the Debian packages that have them. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { run, runChecked } from '../../../shared/process/run.ts';
import type { Job } from '../../../shared/protocol/job.ts';
import { jobFailure } from './failure.ts';

const ALWAYS: Record<string, string> = {
  apt: 'apt',
  dpkg: 'dpkg',
  flock: 'util-linux',
  hostname: 'hostname',
  ip: 'iproute2',
  mmdebstrap: 'mmdebstrap',
  mount: 'mount',
  newgidmap: 'uidmap',
  newuidmap: 'uidmap',
  perl: 'perl-base',
  pivot_root: 'util-linux',
  setpriv: 'util-linux',
  tar: 'tar',
  unshare: 'util-linux',
};

/** Folders where system programs lie: a login by SSH often has no sbin in its PATH. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Gives this process, and so its children, the system's own PATH. */
export function useSystemPath(): void {
  process.env['PATH'] = SYSTEM_PATH;
}

function isThere(program: string): boolean {
  return SYSTEM_PATH.split(':').some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Architecture of this host as dpkg names it. */
export async function hostArchitecture(): Promise<string> {
  return (await runChecked(['dpkg', '--print-architecture'])).stdout.toString('utf8').trim();
}

/** Architectures whose programs run here, natively or by qemu-user; null without arch-test. */
export async function runnableArchitectures(): Promise<string[] | null> {
  const result = await run(['arch-test']).catch(() => null);
  if (result?.code !== 0) return null;
  return result.stdout.toString('utf8').split('\n').filter(Boolean);
}

/** What only some jobs need. */
export interface Needs {
  sbuild: boolean;
  /** A base of another architecture than the host's; mmdebstrap asks arch-test whether its programs run. */
  foreign: boolean;
}

/** Debian packages that are missing, sorted, each once. */
export function missingPackages(needs: Needs): string[] {
  const needed = {
    ...ALWAYS,
    ...(needs.sbuild ? { sbuild: 'sbuild' } : {}),
    ...(needs.foreign ? { 'arch-test': 'arch-test' } : {}),
  };
  const missing = Object.entries(needed).filter(([program]) => !isThere(program));
  return [...new Set(missing.map(([, name]) => name))].sort();
}

/** Ends the job as the machine's fault when the host lacks what it needs. */
export async function requireTools(job: Job, driverName: 'overlay' | 'sbuild'): Promise<void> {
  const foreign = (await hostArchitecture()) !== job.base.architecture;
  const missing = missingPackages({ sbuild: driverName === 'sbuild', foreign });
  if (missing.length > 0) throw jobFailure('machine', `The host lacks packages: ${missing.join(' ')}`);
}
