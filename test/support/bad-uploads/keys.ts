/** Keys that were good once. Garage refuses to store them today, so they come into its tables by hand. */
import { readFile, writeFile } from 'node:fs/promises';
import { createCleartextMessage, generateKey, readPrivateKey, revokeKey, sign } from 'openpgp';
import type { Garage } from '../../../services/garage/context.ts';
import { addAccount } from '../../../services/garage/accounts/accounts.ts';
import { keyIdsOf } from '../../../shared/openpgp/issuers.ts';
import { nameOf, type Files, type Uploader } from '../uploading.ts';

const MADE = new Date('2020-01-01T00:00:00Z');
const LIFE_S = 24 * 3600;
/** While the expired key was good. */
const SIGNED_IN_TIME = new Date('2020-01-01T12:00:00Z');

async function addWithKey(
  garage: Garage,
  login: string,
  privateKey: string,
  publicKey: string,
): Promise<Uploader> {
  const email = `${login}@example.org`;
  const account = await addAccount(garage, { login, email, sshKeys: [], openpgpKeys: [] });
  const fingerprint = (await readPrivateKey({ armoredKey: privateKey })).getFingerprint().toUpperCase();
  await garage.pool.query(
    'insert into openpgp_keys (fingerprint, account_id, armored, key_ids) values ($1, $2, $3, $4)',
    [fingerprint, account.id, publicKey, await keyIdsOf(publicKey)],
  );
  return { ...account, privateKey };
}

function make(login: string, keyExpirationTime: number): Promise<{ privateKey: string; publicKey: string }> {
  const userIDs = [{ name: 'Package Tester', email: `${login}@example.org` }];
  return generateKey({
    ...{ type: 'ecc', curve: 'ed25519Legacy', userIDs, format: 'armored', date: MADE, keyExpirationTime },
  });
}

/** An account whose key has expired since. */
export async function addExpired(garage: Garage, login: string): Promise<Uploader> {
  const { privateKey, publicKey } = await make(login, LIFE_S);
  return addWithKey(garage, login, privateKey, publicKey);
}

/** An account whose key was revoked since. */
export async function addRevoked(garage: Garage, login: string): Promise<Uploader> {
  const { privateKey } = await make(login, 0);
  const key = await readPrivateKey({ armoredKey: privateKey });
  const { publicKey } = await revokeKey({ key, format: 'armored' });
  return addWithKey(garage, login, privateKey, publicKey);
}

/** Signs the .changes as of a time when the expired key was good. */
export async function signInTime(files: Files, by: Uploader): Promise<void> {
  const file = files.get(nameOf(files, '.changes'))!;
  const message = await createCleartextMessage({ text: await readFile(file, 'utf8') });
  const signingKeys = await readPrivateKey({ armoredKey: by.privateKey });
  await writeFile(file, await sign({ message, signingKeys, date: SIGNED_IN_TIME }));
}
