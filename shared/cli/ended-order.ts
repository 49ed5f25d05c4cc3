import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../errors/app-error.ts';
import type { OrderRow } from '../protocol/tables.ts';

/** Between looks at the order. */
const POLL_MS = 300;

/** Reads an order until it is done or refused. Throws `order-unfinished` after `timeoutMs`; the order itself stays. */
export async function endedOrder(timeoutMs: number, read: () => Promise<OrderRow>): Promise<OrderRow> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const order = await read();
    if (order.status === 'done' || order.status === 'refused') return order;
    if (Date.now() > deadlineMs) {
      const why = order.reason === null ? '' : `: ${order.reason}`;
      throw new AppError('order-unfinished', `Order ${order.id} is still ${order.status}${why}`, {
        hint: 'The order stays; see autobuilder order list. Does the repository service run?',
      });
    }
    await sleep(POLL_MS);
  }
}
