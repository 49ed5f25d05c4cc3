/** What of an identity is held back, for those who read the repository's tables: pages and garage's health. */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { IdentityChange } from '../indexes/identity.ts';

/** Brings the row to what this sweep found; one that says so already is not written again. */
export async function recordHeld(
  database: Queryable,
  { queue, product }: { queue: string; product: string },
  changes: readonly Pick<IdentityChange, 'field' | 'from' | 'to' | 'effect'>[],
): Promise<void> {
  if (changes.length === 0) {
    await database.query('delete from held_identities where queue = $1 and product = $2', [queue, product]);
    return;
  }
  await database.query(
    `insert into held_identities as h (queue, product, changes) values ($1, $2, $3)
     on conflict (queue, product) do update set changes = excluded.changes, since = now()
      where h.changes is distinct from excluded.changes`,
    [queue, product, JSON.stringify(changes)],
  );
}
