/** A signer in this process: the code that the signing process runs, for tests and benches. */
import type { Home } from '../../../shared/config/home.ts';
import { keySettings, makeFolders, type KeyConfig } from './archive-key.ts';
import type { KeyringView } from './protocol.ts';
import { Signer, type Ask } from './signer.ts';
import { Signing } from './signing.ts';
import { KeyVault } from './vault.ts';

export interface OpenedKeys {
  signing: Signing;
  keyring: KeyringView;
}

/** Opens the keys of a home; makes the first one if there is none. */
export async function ensureArchiveKey(
  home: Home,
  owner: { name: string; email: string },
  config: Partial<KeyConfig> = {},
  now?: () => Date,
): Promise<OpenedKeys> {
  const settings = keySettings(home, owner.name, {
    ...{ keyEmail: owner.email, keyDays: 365, keyPassphraseFile: undefined, keys: [] },
    rotation: { announceDays: 7, dualSignDays: 30 },
    ...config,
  });
  await makeFolders(settings);
  const signing = new Signing(await KeyVault.open(settings, now));
  return { signing, keyring: await signing.handle('keys', {}, 'a test') };
}

export function createSigner({ signing, keyring }: OpenedKeys): Signer {
  const ask: Ask = (operation, value) => signing.handle(operation, value, 'a test');
  return new Signer({ ask, known: keyring });
}
