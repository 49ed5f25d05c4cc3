/** Reading people's public keys and making the archive's own. */
import { generateKey, readKeys, type Key } from 'openpgp';
import { AppError } from '../errors/app-error.ts';
import { fingerprintOf } from './key-state.ts';

/** Keys with photos and years of certifications stay below; poisoned ones do not. */
export const PUBLIC_KEY_MAX_BYTES = 1024 * 1024;

export interface PublicKeyFacts {
  /** Upper-case hexadecimal, of the primary key. */
  fingerprint: string;
  /** Those that the key itself certifies. */
  userIds: string[];
  /** null: never. */
  expiresAt: Date | null;
  revoked: boolean;
  /** The key alone, written anew: no headers, no text around it. */
  armored: string;
}

async function certifiedUserIds(key: Key): Promise<string[]> {
  const userIds: string[] = [];
  for (const user of key.users) {
    const valid = await user.verify().catch(() => false);
    if (valid && user.userID !== null) userIds.push(user.userID.userID);
  }
  return userIds;
}

async function readOne(armored: string): Promise<Key> {
  const hint = 'Give the output of: gpg --armor --export FINGERPRINT';
  if (armored.length > PUBLIC_KEY_MAX_BYTES) {
    throw new AppError('key-invalid', `The key is larger than ${PUBLIC_KEY_MAX_BYTES} bytes`, {
      hint: `${hint} --export-options export-minimal`,
    });
  }
  const keys = await readKeys({ armoredKeys: armored }).catch((cause: unknown) => {
    throw new AppError('key-invalid', 'This is not an OpenPGP public key', { hint, cause });
  });
  const [key, ...others] = keys;
  if (key === undefined || others.length > 0) {
    throw new AppError('key-invalid', `There are ${keys.length} keys, expected one`, { hint });
  }
  return key;
}

/**
 * Reads one armored public key. Throws `key-is-private` (whoever sends one must be told at once) and
 * `key-invalid` (unreadable, several, too large, without a valid self-signature).
 */
export async function readPublicKey(armored: string): Promise<PublicKeyFacts> {
  const isPrivate = armored.includes('-----BEGIN PGP PRIVATE KEY BLOCK-----');
  const key = isPrivate ? null : await readOne(armored);
  if (key === null || key.isPrivate()) {
    throw new AppError('key-is-private', 'This is a private key; it was not kept', {
      hint: 'Treat it as lost: revoke it, make a new one and give its public part only',
    });
  }
  const expiresAt = await key.getExpirationTime();
  if (expiresAt === null) throw new AppError('key-invalid', 'The key has no valid signature by itself');
  return {
    fingerprint: fingerprintOf(key),
    userIds: await certifiedUserIds(key),
    expiresAt: expiresAt instanceof Date ? expiresAt : null,
    revoked: await key.isRevoked(),
    armored: key.toPublic().armor(),
  };
}

export interface ArchiveKey {
  /** Unprotected: keep it in a file that only the repository service reads. */
  armoredPrivate: string;
  armoredPublic: string;
  /** For gpgv and `Signed-By` files ending in .gpg. */
  binaryPublic: Uint8Array;
  /** Upper-case hexadecimal. */
  fingerprint: string;
}

/** Makes a key that signs and does nothing else: Ed25519 in the form that gpg 2.2 and apt read. */
export async function generateArchiveKey(options: {
  name: string;
  email: string;
  now: Date;
  /** Counted from `now`; without it the key never ends. */
  lifetimeS?: number;
}): Promise<ArchiveKey> {
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: options.name, email: options.email }],
    subkeys: [],
    date: options.now,
    keyExpirationTime: options.lifetimeS ?? 0,
    format: 'object',
  });
  return {
    armoredPrivate: privateKey.armor(),
    armoredPublic: publicKey.armor(),
    binaryPublic: publicKey.write(),
    fingerprint: fingerprintOf(publicKey),
  };
}
