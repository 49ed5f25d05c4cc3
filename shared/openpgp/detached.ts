/** Detached signatures, as in Release.gpg. */
import { createMessage, enums, readSignature, verify, type Signature } from 'openpgp';
import { AppError, messageOf } from '../errors/app-error.ts';
import { findSigner, type PublicKeyRecord, type SignedText } from './clearsigned.ts';

/**
 * Verifies the signature of exactly these bytes, armored or binary. One valid signature is enough. Throws
 * `signature-invalid`, `signature-unknown-key`, `key-expired` and `key-revoked`, as `verifyClearsigned` does.
 */
export async function verifyDetached(
  content: Uint8Array,
  signature: Uint8Array,
  keys: readonly PublicKeyRecord[],
  now: Date,
): Promise<{ fingerprint: string; signedAt: Date }> {
  const parsed = await parse(signature);
  const signed: SignedText = {
    kind: enums.signature.binary,
    verify: async (given, date) => {
      const message = await createMessage({ binary: content });
      const options = { message, signature: parsed, verificationKeys: given, format: 'binary' as const };
      return (await verify({ ...options, ...(date ? { date } : {}) })).signatures;
    },
  };
  return findSigner(signed, keys, now);
}

async function parse(bytes: Uint8Array): Promise<Signature> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  try {
    const isArmored = text.startsWith('-----BEGIN PGP SIGNATURE-----');
    if (isArmored) return await readSignature({ armoredSignature: text });
    return await readSignature({ binarySignature: new Uint8Array(bytes) });
  } catch (cause) {
    throw new AppError('signature-invalid', `The signature cannot be read: ${messageOf(cause)}`, { cause });
  }
}
