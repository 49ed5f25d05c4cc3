/** Private keys of our own as files: made, taken over and opened; encrypted from the first byte on the disk. */
import { readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { readKey, readKeys, type PrivateKey } from 'openpgp';
import { AppError } from '../../../shared/errors/app-error.ts';
import { createFileDurably, writeFileDurably } from '../../../shared/files/durable.ts';
import { fingerprintOf } from '../../../shared/openpgp/key-state.ts';
import { generateArchiveKey, type ArchiveKey } from '../../../shared/openpgp/keys.ts';
import { isLocked, lockKey, unlockKey } from '../../../shared/openpgp/protected-key.ts';
import type { KeyRecord } from './key-states.ts';
import { readPassphrase } from './passphrase.ts';
import type { VaultSettings } from './vault.ts';

const DAY_S = 24 * 3600;
const MODE = { mode: 0o600 };

/** The key from before there were states, and the first one that is made. */
export function firstKeyFile({ folder }: VaultSettings): string {
  return path.join(folder, 'archive-private.asc');
}

export function hasFirstKey(settings: VaultSettings): Promise<boolean> {
  return stat(firstKeyFile(settings)).then(
    () => true,
    () => false,
  );
}

function generate({ owner, lifetimeDays }: VaultSettings, now: Date): Promise<ArchiveKey> {
  const lifetimeS = lifetimeDays * DAY_S;
  return generateArchiveKey({ name: `${owner.name} archive`, email: owner.email, now, lifetimeS });
}

/** Makes another key; nothing knows of it until its record is written. */
export async function makeKey(settings: VaultSettings, now: Date): Promise<KeyRecord> {
  const passphrase = await readPassphrase(settings.passphrase);
  const made = await generate(settings, now);
  const file = `archive-private-${made.fingerprint}.asc`;
  await writeFileDurably(
    path.join(settings.folder, file),
    await lockKey(made.armoredPrivate, passphrase),
    MODE,
  );
  return recordOf(made.armoredPublic, { backend: 'file', file });
}

/** The first key: made if missing, encrypted if it is not. Its file is whole at every moment, and always that key. */
export async function takeOverFirstKey(settings: VaultSettings, now: Date): Promise<KeyRecord> {
  const file = firstKeyFile(settings);
  const passphrase = await readPassphrase(settings.passphrase);
  if (!(await hasFirstKey(settings))) {
    const made = await generate(settings, now);
    // Of several processes that start at once one makes it.
    await createFileDurably(file, await lockKey(made.armoredPrivate, passphrase), MODE);
  }
  const armored = await readKeyFile(file);
  if (!(await isLocked(armored))) await writeFileDurably(file, await lockKey(armored, passphrase), MODE);
  const key = await unlockKey(armored, passphrase);
  // Derived from the private one in former versions.
  for (const name of ['archive.asc', 'archive.gpg']) {
    await rm(path.join(settings.folder, name), { force: true });
  }
  const publicArmored = key.toPublic().armor().replaceAll('\r\n', '\n');
  return recordOf(publicArmored, { backend: 'file', file: path.basename(file) });
}

/**
 * A private key ready to sign at `now`. Throws `signing-key-locked`, `signing-key-invalid` and what reading the
 * passphrase throws.
 */
export async function openKey(settings: VaultSettings, record: KeyRecord, now: Date): Promise<PrivateKey> {
  const armored = await readKeyFile(path.join(settings.folder, record.file ?? ''));
  const key = await unlockKey(armored, await readPassphrase(settings.passphrase));
  if (fingerprintOf(key) !== record.fingerprint) {
    throw new AppError('signing-key-invalid', `${record.file ?? ''} holds another key`);
  }
  // What was signed since about its end stands in the public half alone.
  return key.update(await readKey({ armoredKey: record.publicArmored }), now);
}

async function readKeyFile(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new AppError('signing-key-invalid', `The key file ${file} cannot be read`, {
      hint: 'Put the key file back from a backup; clients trust only that key.',
      cause,
    });
  });
}

/** What a public key says of itself, as the record of a new one. */
export async function recordOf(
  publicArmored: string,
  held: Pick<KeyRecord, 'backend' | 'file'>,
): Promise<KeyRecord> {
  const [key] = await readKeys({ armoredKeys: publicArmored });
  if (!key) throw new AppError('signing-key-invalid', 'There is no public key');
  const end = await key.getExpirationTime();
  return {
    ...{ fingerprint: fingerprintOf(key), state: 'new', ...held, publicArmored },
    userId: key.users[0]?.userID?.userID ?? '',
    createdAt: key.getCreationTime().toISOString(),
    ...{ announcedAt: null, activatedAt: null, retiredAt: null },
    expiresAt: end instanceof Date ? end.toISOString() : null,
  };
}
