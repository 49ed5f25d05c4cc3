/** Who may promote: garage says so in a view; the repository asks again for each order. */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import type { OrderRow } from '../../../shared/protocol/tables.ts';

/** PostgreSQL: undefined_table, invalid_schema_name, insufficient_privilege. */
const NO_VIEW = ['42P01', '3F000', '42501'];

/**
 * True when the order's requester may promote its source; an order without one comes from the garage
 * host's command line. Throws `rights-unavailable` while garage's view cannot be read.
 */
export async function mayPromote(database: Queryable, order: OrderRow): Promise<boolean> {
  if (order.requested_by === null) return true;
  try {
    const { rows } = await database.query(
      `select 1 from garage.promotion_rights
        where login = $1 and (admin or (product = $2 and source = $3)) limit 1`,
      [order.requested_by, order.product, order.source],
    );
    return rows.length > 0;
  } catch (error) {
    if (!NO_VIEW.includes(String((error as { code?: unknown }).code))) throw error;
    throw new AppError('rights-unavailable', 'Waiting for garage to say who may promote.', {
      hint: 'Start garage once against this database, or grant the repository select on garage.promotion_rights.',
      cause: error,
    });
  }
}
