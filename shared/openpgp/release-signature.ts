/**
 * `InRelease` and `Release.gpg` with a signature of each of several keys, so that a client that trusts any
 * one of them accepts both. Each key's signatures are made alone and put together here: one may come from
 * a private key in memory, another from gpg and a smartcard.
 */
import {
  createCleartextMessage,
  createMessage,
  enums,
  readCleartextMessage,
  readSignature,
  sign,
  type PrivateKey,
  type Signature,
} from 'openpgp';
import { AppError } from '../errors/app-error.ts';

const CONFIG = { preferredHashAlgorithm: enums.hash.sha512, showVersion: false, showComment: false };

/** What one key made of a text: OpenPGP signature packets. */
export interface ReleaseSignature {
  /** Over the text as a cleartext signature counts it (RFC 9580, 7.2), for InRelease. */
  text: Uint8Array;
  /** Over the text's UTF-8 bytes, for Release.gpg. */
  binary: Uint8Array;
}

/** The line end before a cleartext signature belongs to its armor, so the text's own last one would be doubled. */
function withoutLastLineEnd(text: string): string {
  return text.replace(/\n$/, '');
}

/** Signs by a key in memory, SHA512. Throws `signing-failed`, also for a key that is expired at `date`. */
export async function signRelease(text: string, key: PrivateKey, date: Date): Promise<ReleaseSignature> {
  // A signature's time is given in seconds; openpgp refuses a key newer than its signature.
  const options = {
    signingKeys: key,
    date: new Date(Math.floor(date.getTime() / 1000) * 1000),
    config: CONFIG,
  };
  try {
    const inline = await createCleartextMessage({ text: withoutLastLineEnd(text) });
    const signed = await sign({ ...options, message: inline, format: 'armored' });
    const bytes = await createMessage({ binary: new TextEncoder().encode(text) });
    const binary = (await sign({
      ...options,
      message: bytes,
      detached: true,
      format: 'binary',
    })) as Uint8Array;
    return { text: await clearsignedPackets(signed, text), binary };
  } catch (cause) {
    throw new AppError('signing-failed', 'Release could not be signed', { cause });
  }
}

/** The packets of a clearsigned `text`. Throws `signing-failed` when something else was signed. */
export async function clearsignedPackets(armored: string, text: string): Promise<Uint8Array> {
  const message = await readCleartextMessage({ cleartextMessage: armored });
  if (message.getText() !== withoutLastLineEnd(text)) {
    throw new AppError('signing-failed', 'The signature is over another text than Release');
  }
  const { packets } = (message as unknown as { signature: Signature }).signature;
  return packets.write();
}

/** Both files, armored, `\n` line ends. */
export async function assembleRelease(
  text: string,
  signatures: readonly ReleaseSignature[],
): Promise<{ inRelease: string; detached: string }> {
  const inline = await readSignature({ binarySignature: joined(signatures.map((each) => each.text)) });
  const detached = await readSignature({ binarySignature: joined(signatures.map((each) => each.binary)) });
  return { inRelease: cleartext(text, inline), detached: armoredText(detached) };
}

/** RFC 9580, 7: the text, lines that start with a dash escaped, and the signatures. */
function cleartext(text: string, signature: Signature): string {
  const names = new Set([...signature.packets].map((packet) => hashName(packet.hashAlgorithm)));
  const escaped = withoutLastLineEnd(text).replaceAll(/^-/gm, '- -');
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: ${[...names].join()}\n\n${escaped}\n${armoredText(signature)}`;
}

function hashName(algorithm: number | null): string {
  return enums.read(enums.hash, algorithm ?? 0).toUpperCase();
}

function armoredText(signature: Signature): string {
  return signature.armor().replaceAll('\r\n', '\n');
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
