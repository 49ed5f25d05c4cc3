import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import type { BuilderAccount } from './account.ts';

/** Root's own folder that everybody can pass, for what the builder's user must read and not change. */
const SYSTEM_STATE = '/var/lib/autobuilder/builder-host';

export interface HostFolders {
  /** `$AUTOBUILDER_HOME/builder`. */
  own: string;
  /** Holds `authorized_keys` only. */
  keys: string;
  /** Whether `keys` is this run's and goes with it. */
  removeKeys: boolean;
}

/**
 * sshd reads the keys file as the user who logs in, so it must be reachable for them: AUTOBUILDER_HOME may
 * lie below a closed folder (/root). Below the user's own home root would write through whatever link the
 * user (or a build that broke out) put there.
 */
export async function hostFolders(own: string, account: BuilderAccount): Promise<HostFolders> {
  if (!account.isOther) return { own, keys: own, removeKeys: false };
  return { own, keys: path.join(SYSTEM_STATE, await instanceId(own)), removeKeys: true };
}

/** Several installations on one machine are told apart by a random id that AUTOBUILDER_HOME remembers. */
async function instanceId(own: string): Promise<string> {
  const file = path.join(own, 'id');
  const known = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (/^[0-9a-f]{16}$/.test(known)) return known;
  const id = randomBytes(8).toString('hex');
  await writeFileDurably(file, `${id}\n`);
  return id;
}
