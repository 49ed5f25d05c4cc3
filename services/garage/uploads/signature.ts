/** Who signed a control file: the key of a known, enabled account, or a rejection. */
import { createHash } from 'node:crypto';
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import {
  verifyClearsigned,
  type PublicKeyRecord,
  type VerifiedText,
} from '../../../shared/openpgp/clearsigned.ts';
import { readClearsigned } from '../../../shared/openpgp/cleartext.ts';
import { issuerKeyIds } from '../../../shared/openpgp/issuers.ts';
import type { Product } from '../../../shared/config/common.ts';
import { reject } from './rejection.ts';

export type SignedFile = '.changes' | '.dsc';

/** An account as far as rights go. */
export interface Authority {
  accountId: string;
  login: string;
  admin: boolean;
}

export interface Signer extends Authority {
  /** Of the primary key. */
  fingerprint: string;
  /** SHA-256 over signer and signed text: the same upload however its armor is written. */
  digest: string;
}

export interface ReadText {
  /** What is signed, or the whole text of an unsigned one. */
  content: string;
  /** null: unsigned, or nobody asks. */
  signer: Signer | null;
}

interface KeyRow extends PublicKeyRecord, Authority {}

/** Keys of enabled accounts that hold one of these ids; those stored before ids were are always among them. */
async function keysWithIds(database: Queryable, ids: string[]): Promise<KeyRow[]> {
  const { rows } = await database.query<KeyRow>(
    `select k.fingerprint, k.armored, a.id as "accountId", a.login, a.admin
       from openpgp_keys k join accounts a on a.id = k.account_id
      where a.disabled_at is null and (k.key_ids && $1 or k.key_ids is null)
      order by k.fingerprint`,
    [ids],
  );
  return rows;
}

/**
 * Reads a control file by the product's policy. `required`: signed by a known key; `either`: a signature
 * that is there must be one; `login`: who logged in vouches, and a signature is neither needed nor asked.
 *
 * Rejects with the words that people search for: `signature-missing`, `signature-unknown-key`,
 * `signature-invalid`, `key-expired`, `key-revoked`.
 */
export async function readSigned(
  database: Queryable,
  text: string,
  where: SignedFile,
  policy: Product['signature'],
  now: Date,
): Promise<ReadText> {
  if (policy !== 'required' && !claimsSignature(text)) return { content: text, signer: null };
  try {
    return await verified(database, text, now);
  } catch (error) {
    // Nothing but text and keys went in: what is no verdict either comes from a text that breaks the library.
    const verdict =
      error instanceof AppError
        ? error
        : new AppError('signature-invalid', 'It cannot be read', { cause: error });
    if (policy === 'login') return { content: contentOf(text, where), signer: null };
    throw rejection(verdict, where);
  }
}

async function verified(database: Queryable, text: string, now: Date): Promise<ReadText> {
  const keys = await keysWithIds(database, await issuerKeyIds(text));
  const { fingerprint, content }: VerifiedText = await verifyClearsigned(text, keys, now);
  const key = keys.find((each) => each.fingerprint.toUpperCase() === fingerprint);
  if (!key) throw new AppError('signature-unknown-key', `Signed by unknown key ${fingerprint}`);
  const digest = createHash('sha256').update(`${fingerprint}\n${content}`).digest('hex');
  const { accountId, login, admin } = key;
  return { content, signer: { fingerprint, digest, accountId, login, admin } };
}

/** True for text that says that it is signed, whatever that is worth. */
export function claimsSignature(text: string): boolean {
  try {
    readClearsigned(text);
    return true;
  } catch (error) {
    return !(error instanceof AppError && error.code === 'signature-missing');
  }
}

/** The text within a signature's armor that nobody asks about. */
function contentOf(text: string, where: SignedFile): string {
  try {
    return readClearsigned(text).text;
  } catch (error) {
    throw rejection(
      error instanceof AppError ? error : new AppError('signature-invalid', 'It cannot be read'),
      where,
    );
  }
}

function rejection(error: AppError, where: SignedFile): Error {
  const problem = error.message;
  switch (error.code) {
    case 'signature-missing':
    case 'signature-unknown-key':
    case 'key-expired':
    case 'key-revoked':
      return reject(error.code, { where, problem }, error);
    default:
      return reject('signature-invalid', { where, problem }, error);
  }
}
