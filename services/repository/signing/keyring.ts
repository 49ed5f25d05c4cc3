/** The public keyring: every key that clients should know, in one file. */
import { armor, enums, readKey } from 'openpgp';
import type { KeyRecord, KeyStates } from './key-states.ts';
import { isPublished } from './states.ts';

/** Announced and active keys in order of their making; the same keys give the same bytes. */
export async function publicKeyring(
  keys: readonly KeyRecord[],
): Promise<{ armored: string; binary: Uint8Array }> {
  const parts: Uint8Array[] = [];
  const ordered = keys
    .filter(isPublished)
    .toSorted((a, b) => (`${a.createdAt}${a.fingerprint}` < `${b.createdAt}${b.fingerprint}` ? -1 : 1));
  for (const key of ordered) parts.push((await readKey({ armoredKey: key.publicArmored })).write());
  const binary = new Uint8Array(Buffer.concat(parts));
  // One block for all: what apt makes of several blocks in one file depends on its version.
  const armored = armor(enums.armor.publicKey, binary).replaceAll('\r\n', '\n');
  return { armored, binary };
}

/** The next version; it rises even when the clock was set back. */
export function keyringVersion(
  before: KeyStates['keyring'],
  sha256: string,
  now: Date,
): KeyStates['keyring'] {
  const today = now.toISOString().slice(0, 10).replaceAll('-', '');
  return { sha256, date: today > before.date ? today : before.date, serial: before.serial + 1 };
}
