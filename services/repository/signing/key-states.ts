/**
 * What is known of the archive's keys, in numbered files `keys/states.<n>.json` of which the highest counts.
 * A change is a new number made by link(2), which never replaces: of two processes that change at once one
 * wins, and the other begins again from what it did not know. The last ones stay, as a history.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import { createFileDurably } from '../../../shared/files/durable.ts';
import { fingerprint, KEY_STATES, MAX_KEYS } from './protocol.ts';

const time = z.iso.datetime().nullable();

const keyRecord = z.strictObject({
  fingerprint,
  state: z.enum(KEY_STATES),
  backend: z.enum(['file', 'gpg']),
  /** Of the encrypted private key, in the same folder; null for gpg's. */
  file: z.string().nullable(),
  /** With the newest signature by itself, which says when it ends. */
  publicArmored: z.string(),
  userId: z.string(),
  createdAt: z.iso.datetime(),
  announcedAt: time,
  activatedAt: time,
  retiredAt: time,
  expiresAt: time,
});
export type KeyRecord = z.infer<typeof keyRecord>;

const keyStates = z.strictObject({
  version: z.literal(1),
  keys: z.array(keyRecord),
  /** Of the public keyring: its sum, and the version that its package has. */
  keyring: z.strictObject({ sha256: z.string(), date: z.string(), serial: z.number().int() }),
});
export type KeyStates = z.infer<typeof keyStates>;

export const NO_KEYS: KeyStates = {
  ...{ version: 1, keys: [] },
  keyring: { sha256: '', date: '00000000', serial: 0 },
};

/** Enough to see how the last rotations went. */
const KEPT = 50;
const NAME = /^states\.(\d{1,9})\.json$/;

/** The highest number in `folder`; 0 for none. */
export async function newestRevision(folder: string): Promise<number> {
  const numbers = (await readdir(folder)).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

/** Throws `key-states-invalid` for a file that somebody damaged. */
export async function readStates(folder: string, revision: number): Promise<KeyStates> {
  if (revision === 0) return NO_KEYS;
  const file = path.join(folder, fileName(revision));
  try {
    return keyStates.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new AppError('key-states-invalid', `${file} is not what the signer wrote`, {
      hint: 'Put it back from a backup; the numbers below it are older states.',
      cause,
    });
  }
}

/** Writes the state after `revision`; false when another process was faster. Throws `keys-too-many`. */
export async function writeStates(folder: string, revision: number, states: KeyStates): Promise<boolean> {
  if (states.keys.filter((key) => key.state !== 'retired').length > MAX_KEYS) {
    throw new AppError('keys-too-many', `There are ${String(MAX_KEYS)} keys in use`, {
      hint: 'Retire some: autobuilder key list',
    });
  }
  const text = `${JSON.stringify(states, null, 2)}\n`;
  const isFirst = await createFileDurably(path.join(folder, fileName(revision + 1)), text, { mode: 0o600 });
  if (!isFirst) return false;
  await rm(path.join(folder, fileName(revision + 1 - KEPT)), { force: true });
  return true;
}

function fileName(revision: number): string {
  return `states.${String(Math.max(0, revision))}.json`;
}
