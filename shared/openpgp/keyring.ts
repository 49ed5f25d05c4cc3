/** Keyrings as apt has them: several public keys in one file, binary or armored. */
import { armor, enums, readKey, readKeys, type Key } from 'openpgp';
import { AppError } from '../errors/app-error.ts';
import type { PublicKeyRecord } from './clearsigned.ts';
import { fingerprintOf } from './key-state.ts';

/** Debian's, with all its old keys, has 60 kB. */
export const KEYRING_MAX_BYTES = 4 * 1024 * 1024;
/** More than one archive's keys of ten years. */
const MAX_KEYS = 64;

export interface KeyringKey extends PublicKeyRecord {
  /** The first of its user ids, for people. */
  userId: string;
}

/** The keys of a keyring. Throws `keyring-invalid`. */
export async function readKeyring(content: Uint8Array, where: string): Promise<KeyringKey[]> {
  const hint = 'Give a file as Signed-By takes it: the output of gpg --export, armored or not.';
  const bad = (what: string, cause?: unknown): AppError =>
    new AppError('keyring-invalid', `${where} ${what}`, { hint, cause });
  if (content.length > KEYRING_MAX_BYTES) throw bad('is too large for a keyring');
  const text = Buffer.from(content.buffer, content.byteOffset, content.length).toString('latin1');
  const isArmored = text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----');
  if (text.includes('-----BEGIN PGP PRIVATE KEY BLOCK-----')) throw bad('holds a private key');
  const reading: Promise<Key[]> = isArmored
    ? readKeys({ armoredKeys: text })
    : readKeys({ binaryKeys: new Uint8Array(content) });
  const keys = await reading.catch((cause: unknown) => {
    throw bad('is not an OpenPGP keyring', cause);
  });
  if (keys.length === 0 || keys.length > MAX_KEYS) throw bad(`holds ${String(keys.length)} keys`);
  if (keys.some((key) => key.isPrivate())) throw bad('holds a private key');
  return keys.map((key) => ({
    fingerprint: fingerprintOf(key),
    armored: key.armor().replaceAll('\r\n', '\n'),
    userId: key.users[0]?.userID?.userID ?? '',
  }));
}

/** The keys as one keyring, in the two forms that Signed-By takes. */
export async function writeKeyring(
  keys: readonly PublicKeyRecord[],
): Promise<{ armored: string; binary: Uint8Array }> {
  const read = await Promise.all(keys.map(({ armored }) => readKey({ armoredKey: armored })));
  const binary = new Uint8Array(Buffer.concat(read.map((key) => key.write())));
  return { armored: armor(enums.armor.publicKey, binary).replaceAll('\r\n', '\n'), binary };
}
