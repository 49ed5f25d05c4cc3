/** Who signed a .changes, .dsc or InRelease, and what exactly they signed. */
import { enums, readCleartextMessage, readKey, type CleartextMessage, type Key, type KeyID } from 'openpgp';
import { AppError, messageOf } from '../errors/app-error.ts';
import { readClearsigned } from './cleartext.ts';
import { fingerprintOf, requireSigningKey } from './key-state.ts';

export { CLEARSIGNED_MAX_BYTES, readClearsigned, type Clearsigned } from './cleartext.ts';

/** A signer's clock may be this far ahead of ours. */
export const CLOCK_SKEW_MS = 10 * 60 * 1000;
/** debsign makes one; more than a few is an attempt to keep us busy. */
export const MAX_SIGNATURES = 8;

/** Digests that are still taken; an allow-list, so that a new weak one does not slip in. */
const STRONG_DIGESTS: ReadonlySet<number> = new Set([
  enums.hash.sha224,
  enums.hash.sha256,
  enums.hash.sha384,
  enums.hash.sha512,
  enums.hash.sha3_256,
  enums.hash.sha3_512,
]);

export interface PublicKeyRecord {
  /** Of the primary key, hexadecimal in either case. */
  fingerprint: string;
  armored: string;
}

export interface VerifiedText {
  /** Of the primary key, upper-case hexadecimal. */
  fingerprint: string;
  /** Exactly what the signature covers; see `readClearsigned`. */
  content: string;
  signedAt: Date;
}

function invalid(message: string, cause?: unknown): AppError {
  return new AppError('signature-invalid', message, { cause });
}

/** The keys that hold this id; records that cannot be read, or are not the key they say, verify nothing. */
async function keysWithId(keys: readonly PublicKeyRecord[], keyId: KeyID): Promise<Key[]> {
  const found: Key[] = [];
  for (const record of keys) {
    const key = await readKey({ armoredKey: record.armored }).catch(() => null);
    if (key === null || fingerprintOf(key) !== record.fingerprint.toUpperCase()) continue;
    if (key.getKeys(keyId).length > 0) found.push(key);
  }
  return found;
}

async function parse(armored: string): Promise<CleartextMessage> {
  try {
    return await readCleartextMessage({ cleartextMessage: armored });
  } catch (error) {
    throw invalid(`The signature cannot be read: ${messageOf(error)}`, error);
  }
}

interface SignatureToCheck {
  index: number;
  keyId: KeyID;
  signedAt: Date;
}

/** A text with its signatures, however the two are kept. */
export interface SignedText {
  /** OpenPGP's signature type: text for a cleartext signature, binary for a detached one. */
  kind: enums.signature;
  verify(keys: Key[], date?: Date): ReturnType<CleartextMessage['verify']>;
}

/** What a signature says of itself; refuses kinds and digests that prove nothing about a text. */
async function signaturesOf(message: SignedText): Promise<SignatureToCheck[]> {
  const results = await message.verify([]);
  if (results.length === 0 || results.length > MAX_SIGNATURES) {
    throw invalid(`There are ${results.length} signatures, expected one`);
  }
  const signatures: SignatureToCheck[] = [];
  for (const [index, result] of results.entries()) {
    const [packet] = (await result.signature).packets;
    if (!packet?.created || packet.signatureType !== message.kind)
      throw invalid('It is not a text signature');
    if (!STRONG_DIGESTS.has(packet.hashAlgorithm ?? 0)) {
      throw new AppError('signature-invalid', 'The signature uses a digest that is too weak', {
        hint: 'Sign with SHA-256 or stronger: gpg --digest-algo SHA512',
      });
    }
    signatures.push({ index, keyId: result.keyID, signedAt: packet.created });
  }
  return signatures;
}

/** Checks one signature against one key; throws what {@link verifyClearsigned} says. */
async function checkSignature(
  message: SignedText,
  signature: SignatureToCheck,
  key: Key,
  now: Date,
): Promise<void> {
  await requireSigningKey(key, signature.keyId, now);
  const results = await message.verify([key], new Date(now.getTime() + CLOCK_SKEW_MS));
  try {
    await results[signature.index]?.verified;
  } catch (error) {
    throw invalid(`The signature by ${fingerprintOf(key)} does not hold: ${messageOf(error)}`, error);
  }
}

/** The first key that made one of the signatures; throws the error of the first known key that did not. */
export async function findSigner(
  message: SignedText,
  keys: readonly PublicKeyRecord[],
  now: Date,
): Promise<{ fingerprint: string; signedAt: Date }> {
  let firstError: unknown = null;
  const signatures = await signaturesOf(message);
  for (const signature of signatures) {
    // 64-bit ids can be made to collide, so every key that has this one is tried.
    for (const key of await keysWithId(keys, signature.keyId)) {
      try {
        await checkSignature(message, signature, key, now);
        return { fingerprint: fingerprintOf(key), signedAt: signature.signedAt };
      } catch (error) {
        firstError ??= error;
      }
    }
  }
  if (firstError !== null) throw firstError;
  const keyId = signatures[0]?.keyId.toHex().toUpperCase() ?? '';
  throw new AppError('signature-unknown-key', `Signed by unknown key ${keyId}`, { detail: { keyId } });
}

/**
 * Verifies a clearsigned text against the keys of accounts. One valid signature is enough.
 *
 * Throws `signature-missing` (not clearsigned at all), `signature-invalid` (form, digest, kind, or it does
 * not hold), `signature-unknown-key` (`detail.keyId`: the issuer's 64-bit id), `key-expired` and
 * `key-revoked` (as of `now`, whenever the signature was made).
 */
export async function verifyClearsigned(
  text: string,
  keys: readonly PublicKeyRecord[],
  now: Date,
): Promise<VerifiedText> {
  const { text: content, armored } = readClearsigned(text);
  const message = await parse(armored);
  // The library splits the text by its own rules: what it verified must be what we read.
  if (content !== `${message.getText()}\n`) throw invalid('The signed text can be read in two ways');
  const signed: SignedText = {
    kind: enums.signature.text,
    verify: (given, date) => message.verify(given, date),
  };
  const signer = await findSigner(signed, keys, now);
  return { ...signer, content };
}
