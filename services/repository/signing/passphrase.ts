/**
 * The passphrase of the private keys: the configured file, else systemd's credential, else (embedded) a file
 * that is made beside the keys. The last one keeps a copy of the keys folder alone from being of use; it
 * does not protect against whoever reads both, which a file of another user or a credential does.
 */
import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { createFileDurably } from '../../../shared/files/durable.ts';

/** As in `LoadCredential=archive-key-passphrase:...`; systemd.exec(5). */
export const CREDENTIAL = 'archive-key-passphrase';
/** 256 bits. */
const MADE_BYTES = 32;
const MAX_BYTES = 4096;
/** What nobody else may have on a file of ours; a configured one or systemd's may be a group's (0440). */
const MADE_MASK = 0o077;
const GIVEN_MASK = 0o007;

/** Which file to use; none of them need be there yet when it is the embedded one. */
export function passphraseFile(options: {
  configured: string | undefined;
  credentials: string | undefined;
  embedded: string;
}): { file: string; isMade: boolean } {
  if (options.configured !== undefined) return { file: options.configured, isMade: false };
  if (options.credentials !== undefined && options.credentials !== '') {
    return { file: path.join(options.credentials, CREDENTIAL), isMade: false };
  }
  return { file: options.embedded, isMade: true };
}

/**
 * The first line of the file; made if `isMade` and missing. Throws `key-passphrase-missing`,
 * `key-passphrase-invalid` and `key-passphrase-exposed` (others than the owner may read it).
 */
export async function readPassphrase(source: { file: string; isMade: boolean }): Promise<string> {
  const text = await readFile(source.file, 'utf8').catch((error: unknown) => {
    if (source.isMade && hasErrno(error, 'ENOENT')) return makePassphrase(source.file);
    throw new AppError('key-passphrase-missing', `The passphrase file '${source.file}' cannot be read`, {
      hint: 'Create it (mode 0600, owned by the user that signs), or correct repository.keyPassphraseFile.',
      cause: error,
    });
  });
  const found = await stat(source.file);
  if ((found.mode & (source.isMade ? MADE_MASK : GIVEN_MASK)) !== 0) {
    throw new AppError('key-passphrase-exposed', `Others may read the passphrase file '${source.file}'`, {
      hint: `chmod 600 ${source.file}`,
    });
  }
  const passphrase = text.slice(0, MAX_BYTES).split(/\r?\n/, 1)[0] ?? '';
  if (passphrase.length > 0 && text.length <= MAX_BYTES) return passphrase;
  throw new AppError('key-passphrase-invalid', `'${source.file}' must hold the passphrase in its first line`);
}

/** Two that start at once agree on one. */
async function makePassphrase(file: string): Promise<string> {
  await createFileDurably(file, `${randomBytes(MADE_BYTES).toString('base64url')}\n`, { mode: 0o600 });
  return readFile(file, 'utf8');
}
