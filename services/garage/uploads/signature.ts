/** Who signed a control file: the key of a known, enabled account, or a rejection. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import {
  verifyClearsigned,
  type PublicKeyRecord,
  type VerifiedText,
} from '../../../shared/openpgp/clearsigned.ts';
import { Rejection } from './rejection.ts';

/** The keys of every enabled account. */
export async function accountKeys(database: Queryable): Promise<PublicKeyRecord[]> {
  const { rows } = await database.query<PublicKeyRecord>(
    `select k.fingerprint, k.armored from openpgp_keys k join accounts a on a.id = k.account_id
      where a.disabled_at is null order by k.fingerprint`,
  );
  return rows;
}

/**
 * The signed text and its signer. Rejects with the words that people search for: `signature-missing`,
 * `signature-unknown-key`, `signature-invalid`, `key-expired`, `key-revoked`.
 */
export async function requireSignature(
  text: string,
  where: '.changes' | '.dsc',
  keys: readonly PublicKeyRecord[],
  now: Date,
): Promise<VerifiedText> {
  try {
    return await verifyClearsigned(text, keys, now);
  } catch (error) {
    // Nothing but text and keys went in: what is no verdict either comes from a text that breaks the library.
    const verdict =
      error instanceof AppError
        ? error
        : new AppError('signature-invalid', 'It cannot be read', { cause: error });
    const { reason, hint } = sentences(verdict, where);
    throw new Rejection(verdict.code, reason, { hint, cause: error });
  }
}

function sentences(error: AppError, where: '.changes' | '.dsc'): { reason: string; hint: string } {
  const why = [error.message, error.hint].filter(Boolean).join('. ');
  switch (error.code) {
    case 'signature-missing':
      return { reason: `${where} is not signed.`, hint: 'Sign it with debsign, then upload it again.' };
    case 'signature-unknown-key':
      return {
        reason: `${where} signed by unknown key.`,
        hint: `${why}. Add the public key to an account, or sign with the key that is there.`,
      };
    default:
      return { reason: `Signature for ${where} not valid.`, hint: why };
  }
}
