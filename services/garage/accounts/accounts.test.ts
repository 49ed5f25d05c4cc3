import { readFile, stat } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { utils } from 'ssh2';
import { accountsSnapshot, type AccountsSnapshot } from '../../../shared/protocol/accounts-snapshot.ts';
import { openTestGarage } from '../../../test/support/garage.ts';
import { makeSigningKey } from '../../../test/support/source-package.ts';
import {
  addAccount,
  addKeys,
  disableAccount,
  enableAccount,
  findAccount,
  listAccounts,
  setPassword,
  verifyPassword,
  type NewAccount,
} from './accounts.ts';
import { snapshotFile, writeSnapshot } from './snapshot.ts';

const garage = await openTestGarage();
afterAll(() => garage.dispose());

const sshKey = (comment: string): string => {
  const { public: line } = utils.generateKeyPairSync('ed25519');
  return `${line.trim()} ${comment}`;
};
const person = (login: string, more: Partial<NewAccount> = {}): NewAccount => ({
  login,
  email: `${login}@example.org`,
  sshKeys: [],
  openpgpKeys: [],
  ...more,
});
const snapshot = async (): Promise<AccountsSnapshot> =>
  accountsSnapshot.parse(JSON.parse(await readFile(snapshotFile(garage), 'utf8')));
const refusal = (code: string): unknown => expect.objectContaining({ code });

/** Milliseconds of the quickest of five refused sign-ins. */
async function refusalMs(login: string): Promise<number> {
  const times: number[] = [];
  for (let time = 0; time < 5; time += 1) {
    const start = performance.now();
    await verifyPassword(garage, login, 'wrong password');
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}

describe('an account', () => {
  test('is made with its keys, and drop hears of it', async () => {
    const ssh = sshKey('maker@laptop');
    const { publicKey } = await makeSigningKey('maker@example.org');
    const account = await addAccount(
      garage,
      person('maker', { sshKeys: [`${ssh}\n`], openpgpKeys: [publicKey] }),
    );
    expect(account).toMatchObject({ login: 'maker', email: 'maker@example.org', admin: false });
    expect(await findAccount(garage, 'maker')).toEqual(account);
    expect(await snapshot()).toMatchObject({
      products: ['bookworm'],
      accounts: [{ login: 'maker', sshKeys: [ssh] }],
    });
    expect((await stat(snapshotFile(garage))).mode & 0o777).toBe(0o644);
    expect(await writeSnapshot(garage)).toBe(false);
    const [listed] = await listAccounts(garage);
    expect(listed).toMatchObject({ login: 'maker', hasPassword: false, disabled: false });
    expect(listed!.openpgpKeys).toEqual([expect.stringMatching(/^[0-9A-F]{40}$/)]);
  });

  test('that is disabled is gone for drop and for sign-in until it is enabled', async () => {
    await addAccount(garage, person('guest', { password: 'a long enough one' }));
    await disableAccount(garage, 'guest');
    expect((await snapshot()).accounts.map(({ login }) => login)).not.toContain('guest');
    expect(await findAccount(garage, 'guest')).toBeNull();
    expect(await verifyPassword(garage, 'guest', 'a long enough one')).toBeNull();
    await enableAccount(garage, 'guest');
    expect((await snapshot()).accounts.map(({ login }) => login)).toContain('guest');
    expect(await verifyPassword(garage, 'guest', 'a long enough one')).toMatchObject({ login: 'guest' });
  });

  test.each([
    ['login-invalid', person('Not A Login')],
    ['login-invalid', person('../maker')],
    ['email-invalid', { ...person('newcomer'), email: 'newcomer@example.org\nBcc: all@example.org' }],
    ['account-exists', person('maker')],
    ['password-invalid', person('newcomer', { password: 'short' })],
    ['ssh-key-invalid', person('newcomer', { sshKeys: ['ssh-ed25519 AAAA'] })],
    ['ssh-key-invalid', person('newcomer', { sshKeys: [`command="sh" ${sshKey('x')}`] })],
    ['ssh-key-invalid', person('newcomer', { sshKeys: [`${sshKey('x')}\n${sshKey('y')}`] })],
    ['ssh-key-invalid', person('newcomer', { sshKeys: [utils.generateKeyPairSync('ed25519').private] })],
    ['key-invalid', person('newcomer', { openpgpKeys: ['no key'] })],
  ])('is refused with %s', async (code, account) => {
    await expect(addAccount(garage, account)).rejects.toEqual(refusal(code));
    expect((await listAccounts(garage)).map(({ login }) => login)).not.toContain('newcomer');
  });

  test('cannot have the key of another, and nothing is left of the attempt', async () => {
    const ssh = sshKey('shared');
    const { publicKey } = await makeSigningKey('passerby@example.org');
    await addAccount(garage, person('passerby', { sshKeys: [ssh], openpgpKeys: [publicKey] }));
    const refused = {
      code: 'key-in-use',
      message: expect.stringMatching(/belongs to account 'passerby'/) as string,
    };
    for (const keys of [{ sshKeys: [ssh] }, { openpgpKeys: [publicKey] }]) {
      const attempt = addAccount(garage, person('latecomer', keys));
      await expect(attempt).rejects.toEqual(expect.objectContaining(refused));
    }
    expect(await findAccount(garage, 'latecomer')).toBeNull();
    await addKeys(garage, 'passerby', { sshKeys: [ssh, sshKey('second')], openpgpKeys: [] });
    expect((await snapshot()).accounts.find(({ login }) => login === 'passerby')!.sshKeys).toHaveLength(2);
  });
});

describe('a password', () => {
  test('is known by its argon2id hash only', async () => {
    await setPassword(garage, 'maker', 'correct horse battery');
    expect(await verifyPassword(garage, 'maker', 'correct horse battery')).toMatchObject({ login: 'maker' });
    expect(await verifyPassword(garage, 'maker', 'correct horse')).toBeNull();
    expect(await verifyPassword(garage, 'nobody', 'correct horse battery')).toBeNull();
    const { rows } = await garage.pool.query("select password_hash from accounts where login = 'maker'");
    expect(rows).toEqual([{ password_hash: expect.stringMatching(/^\$argon2id\$/) as string }]);
  });

  test('of an unknown login takes as long as a wrong one', async () => {
    const known = await refusalMs('maker');
    const unknown = await refusalMs('nobody');
    expect(unknown).toBeGreaterThan(known / 3);
    expect(unknown).toBeLessThan(known * 3);
  });
});
