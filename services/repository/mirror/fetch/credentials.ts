/** Logins for archives that ask for one: a file as in apt_auth.conf(5), which is netrc with an address for machine. */
import { readFile, stat } from 'node:fs/promises';
import { AppError } from '../../../../shared/errors/app-error.ts';

/** A file with a handful of lines. */
const MAX_BYTES = 64 * 1024;

interface Login {
  /** `host`, `host:port`, `host/path`, or with `http://` or `https://` in front. */
  machine: string;
  login: string;
  password: string;
}

/** Gives the Authorization header for an address, or null. */
export type Credentials = (url: URL) => string | null;

export const NO_CREDENTIALS: Credentials = () => null;

/** Throws `mirror-auth-invalid`; what is in the file never gets into a message. */
export async function readCredentials(file: string): Promise<Credentials> {
  const bad = (what: string): AppError =>
    new AppError('mirror-auth-invalid', `The file of logins '${file}' ${what}`, {
      hint: 'It has lines as in apt_auth.conf(5): machine HOST login USER password PASSWORD; mode 0600.',
    });
  const found = await stat(file).catch(() => null);
  if (!found?.isFile() || found.size > MAX_BYTES) throw bad('is not there, or no small file');
  if ((found.mode & 0o007) !== 0) throw bad('can be read by everybody');
  const text = await readFile(file, 'utf8').catch(() => {
    throw bad('cannot be read');
  });
  const logins = parseLogins(text);
  if (!logins) throw bad('is not in this form');
  return (url) => {
    const login = logins.find((each) => isMeant(each.machine, url));
    if (!login) return null;
    return `Basic ${Buffer.from(`${login.login}:${login.password}`, 'utf8').toString('base64')}`;
  };
}

/** Words in pairs; `#` begins a comment. Null for what is not in the form. */
export function parseLogins(text: string): Login[] | null {
  const words = text
    .replaceAll(/^\s*#.*$/gm, '')
    .split(/\s+/)
    .filter(Boolean);
  const logins: Login[] = [];
  for (let at = 0; at < words.length; at += 2) {
    const [key, value] = [words[at] ?? '', words[at + 1]];
    if (value === undefined) return null;
    if (key === 'machine') logins.push({ machine: value, login: '', password: '' });
    else if (key === 'login' || key === 'password') {
      const last = logins.at(-1);
      if (!last) return null;
      last[key] = value;
    } else return null;
  }
  return logins;
}

/** Without a scheme in front, https only, as apt does: a password does not cross the net in the clear by accident. */
function isMeant(machine: string, url: URL): boolean {
  const [, scheme = 'https:', host = '', path = ''] =
    /^(?:(https?:)\/\/)?([^/]+)(\/.*)?$/.exec(machine) ?? [];
  const isHost = host.includes(':') ? host === url.host : host === url.hostname;
  const isBelow = url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
  return isHost && url.protocol === scheme && (path === '' || isBelow);
}
