/** What is wrong with a key that made a signature, as of a moment. */
import type { Key, KeyID } from 'openpgp';
import { AppError, messageOf } from '../errors/app-error.ts';

function revoked(fingerprint: string): AppError {
  return new AppError('key-revoked', `Key ${fingerprint} is revoked`, { detail: { fingerprint } });
}

function expired(fingerprint: string): AppError {
  return new AppError('key-expired', `Key ${fingerprint} is expired`, {
    hint: 'Extend it, then add its new public key to the account',
    detail: { fingerprint },
  });
}

/** True when a time that may be endless (`Infinity`) or unknown (`null`) has come. */
function hasPassed(time: Date | number | null, now: Date): boolean {
  return time instanceof Date && time.getTime() <= now.getTime();
}

/** Fingerprints as gpg and the database have them: upper-case hexadecimal. */
export function fingerprintOf(key: { getFingerprint(): string }): string {
  return key.getFingerprint().toUpperCase();
}

/**
 * Promises that the part of `key` with this id may sign at `now`. Throws `key-revoked`, `key-expired`
 * (of the primary key or of the signing subkey) or `signature-invalid` (no valid self-signature, too
 * weak, not for signing).
 */
export async function requireSigningKey(key: Key, keyId: KeyID, now: Date): Promise<void> {
  const fingerprint = fingerprintOf(key);
  if (await key.isRevoked(undefined, undefined, now)) throw revoked(fingerprint);
  if (hasPassed(await key.getExpirationTime(), now)) throw expired(fingerprint);
  for (const subkey of key.getSubkeys(keyId)) {
    const [binding] = subkey.bindingSignatures;
    if (binding && (await subkey.isRevoked(binding, key.keyPacket, now)))
      throw revoked(fingerprintOf(subkey));
    if (hasPassed(await subkey.getExpirationTime(now), now)) throw expired(fingerprintOf(subkey));
  }
  try {
    await key.getSigningKey(keyId, now);
  } catch (error) {
    throw new AppError('signature-invalid', `Key ${fingerprint} may not sign: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
