/** Private keys at rest: locked by a passphrase in OpenPGP's own form, which gpg reads too (RFC 9580, 3.7). */
import { decryptKey, encryptKey, enums, readPrivateKey, reformatKey, type PrivateKey } from 'openpgp';
import { AppError } from '../errors/app-error.ts';

/** Without Argon2 and AEAD: gpg 2.2, which an admin may have to bring a key back with, knows neither. */
const LOCK_CONFIG = { s2kType: enums.s2k.iterated, aeadProtect: false } as const;

async function parse(armored: string): Promise<PrivateKey> {
  return readPrivateKey({ armoredKey: armored }).catch((cause: unknown) => {
    throw new AppError('signing-key-invalid', 'The signing key cannot be read', {
      hint: 'Put the key file back from a backup; clients trust only that key.',
      cause,
    });
  });
}

/** True when the armored private key needs a passphrase. Throws `signing-key-invalid`. */
export async function isLocked(armored: string): Promise<boolean> {
  return !(await parse(armored)).isDecrypted();
}

/** The key, armored, its secret parts encrypted. `armored` must not be locked. Throws `signing-key-invalid`. */
export async function lockKey(armored: string, passphrase: string): Promise<string> {
  const locked = await encryptKey({ privateKey: await parse(armored), passphrase, config: LOCK_CONFIG });
  return locked.armor().replaceAll('\r\n', '\n');
}

/**
 * The key ready to sign. Throws `signing-key-invalid` for what is no private key and `signing-key-locked` when
 * the passphrase is not the one it was locked with.
 */
export async function unlockKey(armored: string, passphrase: string): Promise<PrivateKey> {
  const key = await parse(armored);
  if (key.isDecrypted()) return key;
  return decryptKey({ privateKey: key, passphrase }).catch((cause: unknown) => {
    throw new AppError('signing-key-locked', 'The passphrase does not open the signing key', {
      hint: 'Give the passphrase that the key was encrypted with: repository.keyPassphraseFile, or the credential.',
      cause,
    });
  });
}

/**
 * The public half with a new signature by itself that lets it end at `expiresAt`; the same key, the same
 * fingerprint. The one from before stays valid for whoever has not got this one: the later signature counts.
 */
export async function extendKey(key: PrivateKey, expiresAt: Date, now: Date): Promise<string> {
  const seconds = Math.floor((expiresAt.getTime() - key.getCreationTime().getTime()) / 1000);
  const userIDs = key.users.flatMap(({ userID }) =>
    userID ? [{ name: userID.name, email: userID.email }] : [],
  );
  const extended = await reformatKey({
    ...{ privateKey: key, userIDs, keyExpirationTime: seconds, format: 'object' },
    date: new Date(Math.floor(now.getTime() / 1000) * 1000),
  });
  return extended.publicKey.armor().replaceAll('\r\n', '\n');
}
