/** Reads the repository's tables, which may not be there yet: its service makes them at its first start. */
import { firstRow, type Queryable } from '../../../shared/database/pool.ts';

const UNDEFINED_TABLE = '42P01';
const INVALID_SCHEMA = '3F000';

/** The rows, or null while the repository has no tables. */
export async function repositoryRows<T extends object>(
  database: Queryable,
  sql: string,
  values: unknown[],
): Promise<T[] | null> {
  try {
    return (await database.query<T>(sql, values)).rows;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === UNDEFINED_TABLE || code === INVALID_SCHEMA) return null;
    throw error;
  }
}

/** May this account promote this source? Asked of the same view that the repository asks. */
export async function mayPromote(
  database: Queryable,
  login: string,
  product: string,
  source: string,
): Promise<boolean> {
  const { rows } = await database.query<{ may: boolean }>(
    `select exists (select from promotion_rights
                     where login = $1 and (admin or (product = $2 and source = $3))) as may`,
    [login, product, source],
  );
  return firstRow(rows, 'no-row', 'exists() gave no row').may;
}

/** Those of `sources` that this account may promote. */
export async function promotableSources(
  database: Queryable,
  login: string | undefined,
  product: string,
  sources: string[],
): Promise<Set<string>> {
  if (login === undefined || sources.length === 0) return new Set();
  const { rows } = await database.query<{ source: string }>(
    `select distinct s.source
       from unnest($3::text[]) as s (source)
       join promotion_rights r on r.login = $1 and (r.admin or (r.product = $2 and r.source = s.source))`,
    [login, product, sources],
  );
  return new Set(rows.map((row) => row.source));
}

/** The queue after `queue` in the order of trust, or undefined for the last. */
export function nextQueue(queues: readonly { name: string }[], queue: string): string | undefined {
  const at = queues.findIndex(({ name }) => name === queue);
  return at === -1 ? undefined : queues[at + 1]?.name;
}
