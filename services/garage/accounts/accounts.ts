/** Accounts and their keys. Each change ends with the snapshot for drop. */
import { z } from 'zod';
import { transaction, type Client, type Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { loginName } from '../../../shared/protocol/names.ts';
import type { Garage } from '../context.ts';
import { readOpenPgpKey, readSshKey, type OpenPgpKey, type SshKey } from './keys.ts';
import { hashPassword, passwordMatches } from './passwords.ts';
import { writeSnapshot } from './snapshot.ts';

export interface Account {
  id: string;
  login: string;
  email: string;
  admin: boolean;
}

/** As lists show it. */
export interface AccountDetails extends Account {
  disabled: boolean;
  hasPassword: boolean;
  /** `SHA256:...` */
  sshKeys: string[];
  /** Fingerprints. */
  openpgpKeys: string[];
  createdAt: Date;
}

export interface AccountKeys {
  /** OpenSSH public key lines. */
  sshKeys: string[];
  /** Armored public keys. */
  openpgpKeys: string[];
}

export interface NewAccount extends AccountKeys {
  login: string;
  email: string;
  admin?: boolean;
  password?: string;
}

/** More than anybody has; bounds what a login and a verification must look through. */
const MAX_KEYS_PER_ACCOUNT = 50;
const COLUMNS = 'id, login, email, admin';

/**
 * Makes an account with its keys. Throws `login-invalid`, `email-invalid`, `account-exists`,
 * `key-in-use` (another account has it), `too-many-keys`, and what reading keys and passwords throws.
 */
export async function addAccount(garage: Garage, account: NewAccount): Promise<Account> {
  const { login, email } = checkedNames(account);
  const keys = await readKeys(account);
  const passwordHash = account.password === undefined ? null : await hashPassword(account.password);
  const added = await transaction(garage.pool, async (client) => {
    const { rows } = await client.query<Account>(
      `insert into accounts (login, email, admin, password_hash) values ($1, $2, $3, $4)
       on conflict (login) do nothing returning ${COLUMNS}`,
      [login, email, account.admin ?? false, passwordHash],
    );
    const [row] = rows;
    if (!row) {
      throw new AppError('account-exists', `There is an account '${login}' already`, {
        hint: `Add keys to it with: autobuilder account add-key ${login} --ssh-key FILE`,
      });
    }
    await insertKeys(client, row, keys);
    return row;
  });
  await writeSnapshot(garage);
  return added;
}

/** Adds keys to an account; those it has already are no error. Throws as {@link addAccount}. */
export async function addKeys(garage: Garage, login: string, texts: AccountKeys): Promise<void> {
  const keys = await readKeys(texts);
  await transaction(garage.pool, async (client) => {
    await insertKeys(client, await requireAccount(client, login), keys);
  });
  await writeSnapshot(garage);
}

/**
 * Takes a key away: an SSH key by `SHA256:...`, an OpenPGP key by its fingerprint (spaces allowed). Throws
 * `account-unknown` and `key-unknown`.
 */
export async function removeKey(garage: Garage, login: string, fingerprint: string): Promise<void> {
  const { id } = await requireAccount(garage.pool, login);
  const openpgp = fingerprint.replaceAll(/\s+/g, '').toUpperCase();
  const { rowCount: ssh } = await garage.pool.query(
    'delete from ssh_keys where account_id = $1 and fingerprint = $2',
    [id, fingerprint.trim()],
  );
  const { rowCount: pgp } = await garage.pool.query(
    'delete from openpgp_keys where account_id = $1 and upper(fingerprint) = $2',
    [id, openpgp],
  );
  if ((ssh ?? 0) + (pgp ?? 0) === 0) {
    throw new AppError('key-unknown', `Account '${login}' has no key ${fingerprint.slice(0, 128)}`, {
      hint: 'autobuilder account list --json shows the fingerprints of its keys.',
    });
  }
  await writeSnapshot(garage);
}

/** Sets or replaces the password. Throws `account-unknown`, `password-invalid`. */
export async function setPassword(garage: Garage, login: string, password: string): Promise<void> {
  const { id } = await requireAccount(garage.pool, login);
  const passwordHash = await hashPassword(password);
  await garage.pool.query('update accounts set password_hash = $2 where id = $1', [id, passwordHash]);
}

/** The account when login and password fit and it is enabled, otherwise null, after the same time. */
export async function verifyPassword(
  garage: Garage,
  login: string,
  password: string,
): Promise<Account | null> {
  const { rows } = await garage.pool.query<Account & { password_hash: string | null }>(
    `select ${COLUMNS}, password_hash from accounts where login = $1 and disabled_at is null`,
    [login],
  );
  const [row] = rows;
  const matches = await passwordMatches(row?.password_hash ?? null, password);
  if (!row || !matches) return null;
  return { id: row.id, login: row.login, email: row.email, admin: row.admin };
}

/** The enabled account of that login, or null. */
export async function findAccount(garage: Garage, login: string): Promise<Account | null> {
  const { rows } = await garage.pool.query<Account>(
    `select ${COLUMNS} from accounts where login = $1 and disabled_at is null`,
    [login],
  );
  return rows[0] ?? null;
}

/** Every account, disabled ones too, by login. */
export async function listAccounts(garage: Garage): Promise<AccountDetails[]> {
  const { rows } = await garage.pool.query<AccountDetails>(
    `select ${COLUMNS}, disabled_at is not null as disabled, password_hash is not null as "hasPassword",
            array(select fingerprint from ssh_keys where account_id = a.id order by 1) as "sshKeys",
            array(select fingerprint from openpgp_keys where account_id = a.id order by 1) as "openpgpKeys",
            created_at as "createdAt"
       from accounts a order by login`,
  );
  return rows;
}

/** Ends access at once: web sign-in, signatures, and drop with the next reading of the snapshot. */
export async function disableAccount(garage: Garage, login: string): Promise<void> {
  await setDisabled(garage, login, true);
}

export async function enableAccount(garage: Garage, login: string): Promise<void> {
  await setDisabled(garage, login, false);
}

async function setDisabled(garage: Garage, login: string, disabled: boolean): Promise<void> {
  const { id } = await requireAccount(garage.pool, login);
  const value = disabled ? 'coalesce(disabled_at, now())' : 'null';
  await garage.pool.query(`update accounts set disabled_at = ${value} where id = $1`, [id]);
  await writeSnapshot(garage);
}

function checkedNames(account: NewAccount): { login: string; email: string } {
  const login = loginName.safeParse(account.login);
  if (!login.success) {
    const why = login.error.issues[0]?.message ?? 'not in the form';
    throw new AppError('login-invalid', `'${account.login.slice(0, 64)}' is not a login: ${why}`);
  }
  const email = z.email().max(254).safeParse(account.email);
  if (!email.success) {
    throw new AppError('email-invalid', `'${account.email.slice(0, 254)}' is not an e-mail address`);
  }
  return { login: login.data, email: email.data };
}

interface ReadKeys {
  ssh: SshKey[];
  openpgp: OpenPgpKey[];
}

async function readKeys(texts: AccountKeys): Promise<ReadKeys> {
  if (texts.sshKeys.length + texts.openpgpKeys.length > MAX_KEYS_PER_ACCOUNT) {
    throw new AppError('too-many-keys', `An account has at most ${String(MAX_KEYS_PER_ACCOUNT)} keys`);
  }
  return {
    ssh: texts.sshKeys.map((text) => readSshKey(text)),
    openpgp: await Promise.all(texts.openpgpKeys.map((text) => readOpenPgpKey(text))),
  };
}

async function insertKeys(client: Client, account: Account, keys: ReadKeys): Promise<void> {
  for (const { fingerprint, line } of keys.ssh) {
    await insertKey(client, account, 'ssh', fingerprint, line);
  }
  for (const { fingerprint, armored, keyIds } of keys.openpgp) {
    await insertKey(client, account, 'openpgp', fingerprint, armored);
    // The same key again may have been extended, revoked, or got new subkeys since.
    await client.query('update openpgp_keys set armored = $2, key_ids = $3 where fingerprint = $1', [
      ...[fingerprint, armored, keyIds],
    ]);
  }
  const { rows } = await client.query<{ count: number }>(
    `select ((select count(*) from ssh_keys where account_id = $1)
           + (select count(*) from openpgp_keys where account_id = $1))::int as count`,
    [account.id],
  );
  if ((rows[0]?.count ?? 0) > MAX_KEYS_PER_ACCOUNT) {
    throw new AppError('too-many-keys', `An account has at most ${String(MAX_KEYS_PER_ACCOUNT)} keys`);
  }
}

const KEY_TABLES = {
  ssh: { table: 'ssh_keys', column: 'public_key', word: 'SSH' },
  openpgp: { table: 'openpgp_keys', column: 'armored', word: 'OpenPGP' },
} as const;

/** A key is one person's: were it two accounts', nobody could say who signed or logged in. */
async function insertKey(
  client: Client,
  account: Account,
  kind: keyof typeof KEY_TABLES,
  fingerprint: string,
  text: string,
): Promise<void> {
  const { table, column, word } = KEY_TABLES[kind];
  await client.query(
    `insert into ${table} (fingerprint, account_id, ${column}) values ($1, $2, $3)
     on conflict (fingerprint) do nothing`,
    [fingerprint, account.id, text],
  );
  const { rows } = await client.query<{ account_id: string; login: string }>(
    `select k.account_id, a.login from ${table} k join accounts a on a.id = k.account_id
      where k.fingerprint = $1`,
    [fingerprint],
  );
  const [holder] = rows;
  if (holder && holder.account_id !== account.id) {
    throw new AppError(
      'key-in-use',
      `${word} key ${fingerprint} belongs to account '${holder.login}' already`,
      {
        hint: 'Each account needs keys of its own; use another key, or disable the other account.',
      },
    );
  }
}

async function requireAccount(database: Queryable, login: string): Promise<Account> {
  const { rows } = await database.query<Account>(`select ${COLUMNS} from accounts where login = $1`, [login]);
  const [row] = rows;
  if (row) return row;
  throw new AppError('account-unknown', `There is no account '${login.slice(0, 64)}'`, {
    hint: 'autobuilder account list shows them all.',
  });
}
