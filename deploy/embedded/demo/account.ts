/** The demo's own account: keys and password below `$AUTOBUILDER_HOME/demo`, made once. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { generateArchiveKey } from '../../../shared/openpgp/keys.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import type { Signer } from './local-version.ts';

export const DEMO_LOGIN = 'demo';
const EMAIL = 'demo@example.org';
/** The key is made a moment before it signs; clocks of other tools may be a little behind. */
const KEY_AGE_MS = 60_000;

export interface DemoAccount {
  email: string;
  sshPrivateFile: string;
  sshPublicFile: string;
  openpgpPublicFile: string;
  passwordFile: string;
  signer: Signer;
}

/** Makes the keys where they are not there yet. */
export async function demoAccount(folder: string): Promise<DemoAccount> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  const pair = await ensureKeyPair(path.join(folder, 'id_ed25519'), DEMO_LOGIN);
  const privateFile = path.join(folder, 'openpgp-private.asc');
  const openpgpPublicFile = path.join(folder, 'openpgp-public.asc');
  const passwordFile = path.join(folder, 'password');
  const known = await readFile(privateFile, 'utf8').catch(() => null);
  let privateKey = known;
  if (privateKey === null) {
    const key = await generateArchiveKey({
      name: 'Autobuilder demo',
      email: EMAIL,
      now: new Date(Date.now() - KEY_AGE_MS),
    });
    await writeFileDurably(openpgpPublicFile, key.armoredPublic);
    await writeFileDurably(passwordFile, `${randomBytes(9).toString('base64url')}\n`, { mode: 0o600 });
    await writeFileDurably(privateFile, key.armoredPrivate, { mode: 0o600 });
    privateKey = key.armoredPrivate;
  }
  return {
    email: EMAIL,
    sshPrivateFile: pair.privateFile,
    sshPublicFile: pair.publicFile,
    openpgpPublicFile,
    passwordFile,
    signer: { identity: `Autobuilder demo <${EMAIL}>`, privateKey },
  };
}
