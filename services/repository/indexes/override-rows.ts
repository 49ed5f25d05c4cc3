/** The rows of `overrides`: what an admin wants, each change under a new revision. */
import { wake } from '../../../shared/database/listen.ts';
import { transaction, type Pool, type Queryable } from '../../../shared/database/pool.ts';
import { isOverridePriority, isOverrideSection } from '../../../shared/debian/override.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { REPOSITORY_CHANNEL } from '../../../shared/protocol/tables.ts';

export interface OverrideKey {
  product: string;
  /** '' for every queue. */
  queue: string;
  kind: 'source' | 'deb' | 'udeb';
  name: string;
}

export interface Override extends OverrideKey {
  section: string | null;
  priority: string | null;
  who: string | null;
  changedAt: Date;
}

/** A field left out stays as it is. Throws `override-invalid`. */
export async function setOverride(
  pool: Pool,
  key: OverrideKey,
  fields: { section?: string | undefined; priority?: string | undefined; who: string | null },
): Promise<void> {
  const { section, priority, who } = fields;
  if (section !== undefined && !isOverrideSection(section)) {
    throw new AppError('override-invalid', `'${section}' is not a section (Policy 2.4)`);
  }
  if (priority !== undefined && !isOverridePriority(priority)) {
    throw new AppError('override-invalid', `'${priority}' is not a priority (Policy 2.5)`);
  }
  await changeOverride(pool, async (database, revision) => {
    await database.query(
      `insert into overrides (product, queue, kind, name, section, priority, revision, who)
       values ($1, $2, $3, $4, $5, $6, $7, $8)
       on conflict (product, queue, kind, name) do update
         set section = coalesce(excluded.section, overrides.section),
             priority = coalesce(excluded.priority, overrides.priority),
             revision = excluded.revision, who = excluded.who, changed_at = now()`,
      [key.product, key.queue, key.kind, key.name, section ?? null, priority ?? null, revision, who],
    );
  });
}

/** What an archive that is brought in has; an override that is there goes before. Values must be in their form. */
export async function keepOverrides(
  pool: Pool,
  at: { product: string; queue: string },
  overrides: readonly Pick<Override, 'kind' | 'name' | 'section' | 'priority'>[],
): Promise<void> {
  if (overrides.length === 0) return;
  await changeOverride(pool, (database, revision) =>
    database.query(
      `insert into overrides (product, queue, kind, name, section, priority, revision)
       select $1, $2, kind, name, section, priority, $3
         from json_to_recordset($4::json) as r(kind text, name text, section text, priority text)
       on conflict (product, queue, kind, name) do nothing`,
      [at.product, at.queue, revision, JSON.stringify(overrides)],
    ),
  );
}

/** False when there was none. The row stays, empty, until queues have shown that it is gone. */
export async function removeOverride(pool: Pool, key: OverrideKey, who: string | null): Promise<boolean> {
  return changeOverride(pool, async (database, revision) => {
    const { rowCount } = await database.query(
      `update overrides set section = null, priority = null, revision = $5, who = $6, changed_at = now()
        where product = $1 and queue = $2 and kind = $3 and name = $4
          and (section is not null or priority is not null)`,
      [key.product, key.queue, key.kind, key.name, revision, who],
    );
    return rowCount === 1;
  });
}

/** Revisions become visible in their order, or a queue could pass over one: writers take turns. */
async function changeOverride<T>(
  pool: Pool,
  work: (database: Queryable, revision: string) => Promise<T>,
): Promise<T> {
  return transaction(pool, async (client) => {
    await client.query('lock table overrides in exclusive mode');
    const { rows } = await client.query<{ next: string }>(
      'select coalesce(max(revision), 0) + 1 as next from overrides',
    );
    const result = await work(client, rows[0]?.next ?? '1');
    await wake(client, REPOSITORY_CHANNEL);
    return result;
  });
}

export async function listOverrides(
  database: Queryable,
  wanted: { product: string; queue?: string | undefined; name?: string | undefined; limit: number },
): Promise<Override[]> {
  const { rows } = await database.query<Override>(
    `select product, queue, kind, name, section, priority, who, changed_at as "changedAt" from overrides
      where product = $1 and ($2::text is null or queue in ($2, '')) and ($3::text is null or name = $3)
        and (section is not null or priority is not null)
      order by name, kind, queue limit $4`,
    [wanted.product, wanted.queue ?? null, wanted.name ?? null, wanted.limit],
  );
  return rows;
}
