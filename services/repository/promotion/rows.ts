/** Orders: garage writes `requested`, everything after that is the repository's. */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { OrderRow, OrderStatus } from '../../../shared/protocol/tables.ts';

/** `blocked` is for promotion policies: nothing here blocks yet. */
export const ORDER_TRANSITIONS: Record<OrderStatus, readonly OrderStatus[]> = {
  requested: ['accepted', 'refused', 'blocked'],
  blocked: ['requested', 'accepted', 'refused'],
  accepted: ['done', 'refused'],
  done: [],
  refused: [],
};

/** Orders carried out in one sweep; the next sweep takes the rest. */
const MAX_ORDERS_PER_SWEEP = 200;

/** What is to be decided or carried out, oldest first. */
export async function openOrders(database: Queryable): Promise<OrderRow[]> {
  const { rows } = await database.query<OrderRow>(
    `select * from orders where status in ('requested', 'accepted') order by id limit $1`,
    [MAX_ORDERS_PER_SWEEP],
  );
  return rows;
}

/** The order as it is now, or null when it is decided. */
export async function openOrder(database: Queryable, id: string): Promise<OrderRow | null> {
  const { rows } = await database.query<OrderRow>(
    `select * from orders where id = $1 and status in ('requested', 'accepted')`,
    [id],
  );
  return rows[0] ?? null;
}

/**
 * Compare-and-set of an order's status; false when somebody else moved it. Throws for a change that
 * {@link ORDER_TRANSITIONS} does not allow: that is a bug, never an input.
 */
export async function moveOrder(
  database: Queryable,
  order: { id: string; from: OrderStatus; to: OrderStatus },
  change: { code?: string; reason?: string; generationId?: string } = {},
): Promise<boolean> {
  if (!ORDER_TRANSITIONS[order.from].includes(order.to)) {
    throw new Error(`order status ${order.from} -> ${order.to} is not allowed`);
  }
  const { rowCount } = await database.query(
    `update orders set status = $3, reason_code = $4, reason = $5, generation_id = $6,
            finished_at = case when $3 in ('done', 'refused') then now() end
      where id = $1 and status = $2`,
    [
      ...[order.id, order.from, order.to],
      ...[change.code ?? null, change.reason ?? null, change.generationId ?? null],
    ],
  );
  return rowCount === 1;
}

/** Says on an order that stays open what it waits for. */
export async function noteWaiting(
  database: Queryable,
  order: OrderRow,
  code: string,
  reason: string,
): Promise<void> {
  await database.query(
    'update orders set reason_code = $3, reason = $4 where id = $1 and status = $2 and reason_code is distinct from $3',
    [order.id, order.status, code, reason],
  );
}
