/** Programs that the runner runs on the host, and the Debian packages that have them. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

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

/** Debian packages that are missing, sorted, each once. */
export function missingPackages(needsSbuild: boolean): string[] {
  const needed = needsSbuild ? { ...ALWAYS, sbuild: 'sbuild' } : ALWAYS;
  const missing = Object.entries(needed).filter(([program]) => !isThere(program));
  return [...new Set(missing.map(([, name]) => name))].sort();
}
