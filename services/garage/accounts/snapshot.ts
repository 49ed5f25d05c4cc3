/**
 * The accounts snapshot that drop logs people in by: written whole after each change, and again by the
 * sweep wherever the file differs from the tables (a crash between the two, a deleted file).
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { transaction, type Queryable } from '../../../shared/database/pool.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { accountsSnapshot, type AccountsSnapshot } from '../../../shared/protocol/accounts-snapshot.ts';
import type { Garage } from '../context.ts';

/** Advisory lock of snapshot writers, so that an older reading never replaces a newer one. */
const SNAPSHOT_LOCK = 7_241_001;

/** Where the snapshot is: `config.accountsSnapshot`, or `$AUTOBUILDER_HOME/drop/accounts.json`. */
export function snapshotFile(garage: Garage): string {
  return garage.config.accountsSnapshot ?? path.join(garage.home.drop, 'accounts.json');
}

/** Writes the snapshot if the file does not say what the tables say; true when it was written. */
export async function writeSnapshot(garage: Garage): Promise<boolean> {
  return transaction(garage.pool, async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [SNAPSHOT_LOCK]);
    const content = await snapshotContent(garage, client);
    const file = snapshotFile(garage);
    if (await saysTheSame(file, content)) return false;
    const snapshot: AccountsSnapshot = { version: 1, writtenAt: new Date().toISOString(), ...content };
    await writeFileDurably(file, `${JSON.stringify(snapshot, null, 1)}\n`, { mode: 0o644 });
    return true;
  });
}

type Content = Pick<AccountsSnapshot, 'products' | 'accounts'>;

async function snapshotContent(garage: Garage, database: Queryable): Promise<Content> {
  const { rows } = await database.query<{ login: string; keys: string[] }>(
    `select a.login, coalesce(array_agg(k.public_key order by k.fingerprint)
                              filter (where k.fingerprint is not null), '{}') as keys
       from accounts a left join ssh_keys k on k.account_id = a.id
      where a.disabled_at is null
      group by a.login order by a.login`,
  );
  return {
    products: garage.common.products.map((product) => product.name),
    accounts: rows.map(({ login, keys }) => ({ login, sshKeys: keys })),
  };
}

async function saysTheSame(file: string, content: Content): Promise<boolean> {
  try {
    const { products, accounts } = accountsSnapshot.parse(JSON.parse(await readFile(file, 'utf8')));
    return JSON.stringify({ products, accounts }) === JSON.stringify(content);
  } catch {
    return false; // missing or damaged: written anew
  }
}
