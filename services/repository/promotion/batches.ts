/** Orders that can be one publish: many that were ordered at once cost what one does. */
import type { OrderRow } from '../../../shared/protocol/tables.ts';

/** Orders for one queue and product, in the order they came; a roll-back is alone in its batch. */
export interface Batch {
  queue: string;
  product: string;
  orders: OrderRow[];
}

/**
 * Puts each order to others of the same target, unless that would carry it out before an older one that it
 * may depend on: of the same source on its way through the queues, or a roll-back. Pure.
 */
export function batches(orders: readonly OrderRow[]): Batch[] {
  const all: Batch[] = [];
  for (const order of orders) {
    const place = order.kind === 'rollback' ? undefined : placeFor(all, order);
    if (place) place.orders.push(order);
    else all.push({ queue: order.to_queue, product: order.product, orders: [order] });
  }
  return all;
}

function placeFor(all: readonly Batch[], order: OrderRow): Batch | undefined {
  for (const batch of all.toReversed()) {
    if (batch.orders.some((other) => other.kind === 'rollback' && other.product === order.product))
      return undefined;
    if (batch.product === order.product && batch.queue === order.to_queue) return batch;
    if (batch.orders.some((other) => other.product === order.product && other.source === order.source)) {
      return undefined;
    }
  }
  return undefined;
}
