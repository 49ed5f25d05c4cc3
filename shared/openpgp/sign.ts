/** Signing of `Release` with the archive's key. */
import { createCleartextMessage, createMessage, enums, readPrivateKey, sign, type PrivateKey } from 'openpgp';
import { AppError } from '../errors/app-error.ts';

const CONFIG = { preferredHashAlgorithm: enums.hash.sha512, showVersion: false, showComment: false };

async function readSigningKey(armored: string): Promise<PrivateKey> {
  const key = await readPrivateKey({ armoredKey: armored }).catch((cause: unknown) => {
    throw new AppError('signing-key-invalid', 'The signing key cannot be read', { cause });
  });
  if (!key.isDecrypted()) {
    throw new AppError('signing-key-invalid', 'The signing key is protected by a passphrase', {
      hint: 'Export it without one; the file itself must be readable by the repository service only',
    });
  }
  return key;
}

async function signing<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw new AppError('signing-failed', `${what} could not be signed`, { cause });
  }
}

/** A signature's time is given in seconds; openpgp refuses a key newer than its signature. */
function wholeSecond(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}

/**
 * Clearsigns a text, for `InRelease`: SHA512, `\n` line ends.
 * Throws `signing-key-invalid` and `signing-failed`.
 */
export async function clearsign(text: string, privateKeyArmored: string, date: Date): Promise<string> {
  const signingKeys = await readSigningKey(privateKeyArmored);
  return signing('The text', async () => {
    // The line end before the signature belongs to the armor, so the text's own last one would be doubled.
    const message = await createCleartextMessage({ text: text.replace(/\n$/, '') });
    const signed = await sign({ message, signingKeys, date: wholeSecond(date), config: CONFIG });
    return signed.replaceAll('\r\n', '\n');
  });
}

/**
 * An armored detached signature of a text's UTF-8 bytes, for `Release.gpg`: SHA512.
 * Throws `signing-key-invalid` and `signing-failed`.
 */
export async function detachSign(text: string, privateKeyArmored: string, date: Date): Promise<string> {
  const signingKeys = await readSigningKey(privateKeyArmored);
  return signing('The text', async () => {
    const message = await createMessage({ binary: new TextEncoder().encode(text) });
    const options = { message, signingKeys, detached: true, date: wholeSecond(date), config: CONFIG };
    const signature = (await sign({ ...options, format: 'armored' })) as string;
    return signature.replaceAll('\r\n', '\n');
  });
}
