import { createPublicKey } from 'node:crypto';
import ssh2, { type AuthContext, type ParsedKey, type PublicKeyAuthContext } from 'ssh2';
import type { AccountsReader } from '../accounts-snapshot.ts';

/** Shorter RSA keys are refused, as by OpenSSH since 9.1 and by NIST SP 800-131A. */
const MIN_RSA_BITS = 2048;

/** `asked`: the client may now sign with this key; `accepted`: it has, and the signature is good. */
export type LoginVerdict = 'refused' | 'asked' | 'accepted';

/**
 * Judges one authentication request against the snapshot: public keys only. An unknown login and a wrong
 * key take the same way. Does not answer the client.
 */
export async function judgeLogin(context: AuthContext, accounts: AccountsReader): Promise<LoginVerdict> {
  if (context.method !== 'publickey') return 'refused';
  const now = await accounts.current();
  if (!now?.mayUse(context.username, context.key.data)) return 'refused';
  const key = parsePublicKey(context);
  if (!key || !isStrong(key, context)) return 'refused';
  if (!context.signature || !context.blob) return 'asked';
  return key.verify(context.blob, context.signature, context.hashAlgo) ? 'accepted' : 'refused';
}

function parsePublicKey(context: PublicKeyAuthContext): ParsedKey | null {
  const parsed: unknown = ssh2.utils.parseKey(`${context.key.algo} ${context.key.data.toString('base64')}`);
  const key = (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey | Error;
  return key instanceof Error || key.type !== context.key.algo ? null : key;
}

/** No DSA, no RSA signature by SHA-1 (ssh2 names no hash for it), no short RSA key. */
function isStrong(key: ParsedKey, context: PublicKeyAuthContext): boolean {
  if (key.type === 'ssh-dss') return false;
  if (key.type !== 'ssh-rsa') return true;
  const bits = createPublicKey(key.getPublicPEM()).asymmetricKeyDetails?.modulusLength ?? 0;
  return bits >= MIN_RSA_BITS && context.hashAlgo !== undefined;
}
