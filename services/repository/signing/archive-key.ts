/**
 * The archive's key: made at the first start, one file that nobody but the repository reads. The public
 * half is derived from it at each start, so the two can never differ.
 */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { readPrivateKey } from 'openpgp';
import type { Home } from '../../../shared/config/home.ts';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { withFileLock } from '../../../shared/files/lock.ts';
import { generateArchiveKey } from '../../../shared/openpgp/keys.ts';

/** Making a key takes milliseconds; this is for a machine that is starting everything at once. */
const LOCK_WAIT_S = 30;

export interface ArchiveKeyPair {
  /** Armored; never logged, never passed on. */
  privateArmored: string;
  publicArmored: string;
  publicBinary: Uint8Array;
  /** Upper-case hexadecimal. */
  fingerprint: string;
}

/** `$AUTOBUILDER_HOME/repository/keys/`: `archive-private.asc` (0600), `archive.asc`, `archive.gpg`. */
export function keyFiles(home: Home): { private: string; armored: string; binary: string } {
  const at = (name: string): string => path.join(home.repository, 'keys', name);
  return { private: at('archive-private.asc'), armored: at('archive.asc'), binary: at('archive.gpg') };
}

/** The archive's key, made if there is none. Throws `archive-key-invalid` for a file that is not a key. */
export async function ensureArchiveKey(
  home: Home,
  owner: { name: string; email: string },
): Promise<ArchiveKeyPair> {
  const files = keyFiles(home);
  await mkdir(home.repository, { recursive: true });
  await mkdir(path.dirname(files.private), { recursive: true, mode: 0o700 });
  return withFileLock(path.join(path.dirname(files.private), 'lock'), LOCK_WAIT_S, async () => {
    const privateArmored = (await readIfThere(files.private)) ?? (await makeKey(files.private, owner));
    const pair = await derive(privateArmored, files.private);
    await replaceIfDifferent(files.armored, Buffer.from(pair.publicArmored));
    await replaceIfDifferent(files.binary, pair.publicBinary);
    return pair;
  });
}

async function makeKey(file: string, owner: { name: string; email: string }): Promise<string> {
  const key = await generateArchiveKey({
    ...{ name: `${owner.name} archive`, email: owner.email, now: new Date() },
  });
  await writeFileDurably(file, key.armoredPrivate, { mode: 0o600 });
  return key.armoredPrivate;
}

async function derive(privateArmored: string, file: string): Promise<ArchiveKeyPair> {
  const key = await readPrivateKey({ armoredKey: privateArmored }).catch((cause: unknown) => {
    throw new AppError('archive-key-invalid', `${file} does not hold an OpenPGP private key`, {
      hint: 'Put the key back from a backup; clients trust only that one.',
      cause,
    });
  });
  const publicKey = key.toPublic();
  return {
    privateArmored,
    publicArmored: publicKey.armor().replaceAll('\r\n', '\n'),
    publicBinary: publicKey.write(),
    fingerprint: publicKey.getFingerprint().toUpperCase(),
  };
}

async function readIfThere(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  });
}

/** Leaves a file alone that is as it should be, so that its time tells when the key came. */
export async function replaceIfDifferent(file: string, content: Uint8Array): Promise<void> {
  const there = await readFile(file).catch(() => null);
  if (there?.equals(content) !== true) await writeFileDurably(file, content);
}
