/** Where the archive's keys lie and how they are opened. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Home } from '../../../shared/config/home.ts';
import { keyringPackageName } from '../../../shared/protocol/names.ts';
import type { RepositoryConfig } from '../config.ts';
import { passphraseFile } from './passphrase.ts';
import { fingerprint } from './protocol.ts';
import type { VaultSettings } from './vault.ts';

/** {@link VaultSettings} as one process passes them to another. */
export const vaultSettings = z.strictObject({
  folder: z.string(),
  passphrase: z.strictObject({ file: z.string(), isMade: z.boolean() }),
  owner: z.strictObject({ name: z.string(), email: z.string() }),
  lifetimeDays: z.number(),
  rotation: z.strictObject({ announceDays: z.number(), dualSignDays: z.number() }),
  gpg: z.array(z.strictObject({ fingerprint, homedir: z.string().optional() })),
  packageName: z.string(),
}) satisfies z.ZodType<VaultSettings>;

export type KeyConfig = Pick<
  RepositoryConfig,
  'keyEmail' | 'keyDays' | 'keyPassphraseFile' | 'keys' | 'rotation'
>;

/** Makes what the signer writes to, for its user alone; its own process may make no folder outside. */
export async function makeFolders({ folder, passphrase }: VaultSettings): Promise<string[]> {
  const folders = [folder, ...(passphrase.isMade ? [path.dirname(passphrase.file)] : [])];
  for (const each of folders) {
    await mkdir(path.dirname(each), { recursive: true });
    await mkdir(each, { recursive: true, mode: 0o700 });
  }
  return folders;
}

/** `$AUTOBUILDER_HOME/repository/keys/` and what the configuration says of the keys in it. */
export function keySettings(home: Home, archive: string, config: KeyConfig): VaultSettings {
  return {
    folder: path.join(home.repository, 'keys'),
    passphrase: passphraseFile({
      configured: config.keyPassphraseFile,
      credentials: process.env['CREDENTIALS_DIRECTORY'],
      embedded: path.join(home.repository, 'passphrase', 'archive-key'),
    }),
    owner: { name: archive, email: config.keyEmail },
    lifetimeDays: config.keyDays,
    rotation: config.rotation,
    gpg: config.keys.map(({ gpg, homedir }) => ({ fingerprint: gpg, homedir })),
    packageName: keyringPackageName(archive),
  };
}
