/** Who may promote: garage says so in a view; the repository asks again for each order. */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import type { OrderRow } from '../../../shared/protocol/tables.ts';

/** PostgreSQL: undefined_table, invalid_schema_name, insufficient_privilege. */
const NO_VIEW = ['42P01', '3F000', '42501'];

/**
 * Those of `sources` that the order's requester may not change; an order without one comes from the garage
 * host's command line and may change all. Throws `rights-unavailable` while garage's view cannot be read.
 */
export async function sourcesDenied(
  database: Queryable,
  order: Pick<OrderRow, 'requested_by' | 'product'>,
  sources: readonly string[],
): Promise<string[]> {
  if (order.requested_by === null) return [];
  try {
    const { rows } = await database.query<{ source: string }>(
      `select s.source from unnest($3::text[]) as s (source)
        where not exists (select 1 from garage.promotion_rights r
                           where r.login = $1 and (r.admin or (r.product = $2 and r.source = s.source)))`,
      [order.requested_by, order.product, sources],
    );
    return rows.map((row) => row.source);
  } catch (error) {
    if (!NO_VIEW.includes(String((error as { code?: unknown }).code))) throw error;
    throw new AppError('rights-unavailable', 'Waiting for garage to say who may promote.', {
      hint: 'Start garage once against this database, or grant the repository select on garage.promotion_rights.',
      cause: error,
    });
  }
}
