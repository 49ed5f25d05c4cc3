/** What an admin says about every version of a source: how urgent it is, and what its builds require. */
import { transaction, type Pool, type Queryable } from '../../../shared/database/pool.ts';
import { wake } from '../../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';

export interface SourceSetting {
  /** Higher goes first; 0 unless told otherwise. */
  priority: number;
  /** Features of hosts, beside the product's own. */
  requires: string[];
}

/** A source's setting; what is not set is 0 and nothing. */
export async function sourceSetting(
  database: Queryable,
  source: { product: string; name: string },
): Promise<SourceSetting> {
  const { rows } = await database.query<SourceSetting>(
    'select priority, requires from source_settings where product = $1 and source = $2',
    [source.product, source.name],
  );
  return rows[0] ?? { priority: 0, requires: [] };
}

/**
 * Changes the setting and, with it, the builds that wait. `productRequires` is what the product's
 * configuration asks of all. Returns what holds now.
 */
export async function changeSourceSetting(
  pool: Pool,
  source: { product: string; name: string; productRequires: readonly string[] },
  change: Partial<SourceSetting>,
): Promise<SourceSetting> {
  return transaction(pool, async (client) => {
    const now = { ...(await sourceSetting(client, source)), ...change };
    await client.query(
      `insert into source_settings (product, source, priority, requires) values ($1, $2, $3, $4)
       on conflict (product, source) do update set priority = excluded.priority, requires = excluded.requires`,
      [source.product, source.name, now.priority, now.requires],
    );
    await client.query(
      `update builds b set priority = $3, requires = $4
         from sources s
        where s.id = b.source_id and s.product = $1 and s.name = $2
          and b.status in ('needs-build', 'given-back', 'dep-wait')`,
      [source.product, source.name, now.priority, [...source.productRequires, ...now.requires]],
    );
    await wake(client, GARAGE_CHANNEL);
    return now;
  });
}
