/** Where a live target lies, as it is configured. */
import { AppError, unreachable } from '../../../shared/errors/app-error.ts';

export type Location =
  | { kind: 'local'; path: string }
  | { kind: 'ssh'; user: string | null; host: string; port: number; path: string }
  /** A daemon; `url` is as rsync(1) takes it, without a slash at the end. */
  | { kind: 'rsync'; url: string }
  | { kind: 'rclone'; remote: string; path: string };

const HOST = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])`;
/** Nothing that a remote shell, rsync or rclone gives a meaning: the path passes through all three. */
const PATH = String.raw`(?:/[A-Za-z0-9_.+@-]+)+/?`;
const USER = '[A-Za-z_][A-Za-z0-9_.-]*';
const SSH = new RegExp(`^ssh://(?:(${USER})@)?(${HOST})(?::([0-9]{1,5}))?(${PATH})$`);
const RSYNC = new RegExp(`^rsync://(?:${USER}@)?${HOST}(?::[0-9]{1,5})?${PATH}$`);
const RCLONE = /^rclone:([A-Za-z0-9_][A-Za-z0-9_.-]*):((?:[A-Za-z0-9_.+@/-]+)?)$/;

export const LOCATION_FORMS =
  'write ssh://user@host/path, rsync://host/module/path or rclone:remote:path, in letters, digits and . _ + @ -';

/** Reads a target's address; throws `target-location-invalid`. */
export function parseLocation(url: string): Location {
  const ssh = SSH.exec(url);
  const rclone = RCLONE.exec(url);
  const climbs = url.split('/').includes('..');
  if (ssh && !climbs) {
    const [, user, host = '', port = '22', path = ''] = ssh;
    return { kind: 'ssh', user: user ?? null, host, port: Number(port), path: withoutSlash(path) };
  }
  if (RSYNC.test(url) && !climbs) return { kind: 'rsync', url: withoutSlash(url) };
  if (rclone && !climbs) {
    const [, remote = '', path = ''] = rclone;
    return { kind: 'rclone', remote, path: withoutSlash(path) };
  }
  throw new AppError('target-location-invalid', `'${url}' is no live target`, { hint: LOCATION_FORMS });
}

/** For people, logs and `sync_targets`. */
export function locationText(location: Location): string {
  switch (location.kind) {
    case 'local':
      return location.path;
    case 'ssh': {
      const user = location.user === null ? '' : `${location.user}@`;
      const port = location.port === 22 ? '' : `:${String(location.port)}`;
      return `ssh://${user}${location.host}${port}${location.path}`;
    }
    case 'rsync':
      return location.url;
    case 'rclone':
      return `rclone:${location.remote}:${location.path}`;
    default:
      return unreachable(location);
  }
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '');
}
