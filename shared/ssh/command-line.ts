import { AppError } from '../errors/app-error.ts';

/** What no shell gives a meaning to, wherever it stands: nothing to quote, so nothing to quote wrongly. */
const PLAIN_TOKEN = /^[A-Za-z0-9@%+=:,./_-]+$/;

/**
 * An argv as the one string that SSH carries and the remote shell splits. Throws `remote-token-invalid`
 * for a token that is not plain: whoever needs another writes it into a file on the host.
 */
export function commandLine(argv: readonly [string, ...string[]]): string {
  const bad = argv.find((token) => !PLAIN_TOKEN.test(token));
  if (bad === undefined) return argv.join(' ');
  throw new AppError(
    'remote-token-invalid',
    `'${bad.slice(0, 200)}' may not stand in a command on a host; letters, digits and @%+=:,./_- may`,
  );
}
