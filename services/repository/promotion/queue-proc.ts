/**
 * queue-proc: carries out what people ordered. `requested -> accepted -> done | refused`.
 *
 * `accepted` is committed before anything is done; `done` together with the generation. So after a crash
 * an accepted order is planned anew from what the queues hold then, and is carried out once. Orders for one
 * queue are one publish; an order's failure never stops the others; ours (a full disk) leaves them accepted
 * for the next sweep.
 */
import { wake } from '../../../shared/database/listen.ts';
import { AppError, unreachable } from '../../../shared/errors/app-error.ts';
import { GARAGE_CHANNEL, type OrderRow } from '../../../shared/protocol/tables.ts';
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { Holdings } from '../generations/holdings.ts';
import { publish } from '../generations/publish.ts';
import { recover } from '../generations/recover.ts';
import { withQueueLock, type QueueLock } from '../locks.ts';
import { batches, type Batch } from './batches.ts';
import { checkNames } from './plan.ts';
import { moveOrder, noteWaiting, openOrder, openOrders } from './rows.ts';
import { takePromotion, takeRemoval, takeRollback, type Taken } from './take.ts';
import { noteOrderTrouble } from './trouble.ts';

/** A queue manager may be publishing a large set; past this the orders wait for the next sweep. */
const LOCK_WAIT_MS = 30_000;

/** Codes that refuse an order; every other error is ours and is tried again. */
const REFUSALS = [
  ...['queue-unknown', 'product-unknown', 'queue-order', 'source-not-there', 'version-not-there'],
  ...['source-incomplete', 'already-there', 'version-older', 'binary-taken', 'not-allowed', 'rolled-back'],
  ...['generation-unknown', 'changes-unknown', 'queue-moved-on', 'nothing-to-roll-back', 'files-gone'],
  'would-break',
];

/** One run takes every open order; `onPublished` tells rqp. */
export function createQueueProc(repository: Repository, onPublished: () => void): Coalesced {
  const sweep = async (): Promise<void> => {
    for (const batch of batches(await openOrders(repository.pool))) {
      try {
        if (await carryOut(repository, batch)) onPublished();
      } catch (error) {
        const { queue, product, orders } = batch;
        const ids = orders.map((order) => order.id);
        const facts = { queue, product, orders: ids };
        repository.log.error({ err: error, ...facts }, 'orders failed, tried again at the next sweep');
        await noteOrderTrouble(repository, ids, error);
      }
    }
  };
  return coalesce(sweep, (error) => repository.log.error({ err: error }, 'order sweep failed'));
}

/** True when a generation came of it. */
async function carryOut(repository: Repository, { queue, product, orders }: Batch): Promise<boolean> {
  const possible = await each(repository, orders, (order) => {
    checkNames(repository.common, order);
    return Promise.resolve(order);
  });
  if (possible.length === 0) return false;
  const at = { kind: 'publish', queue, product, waitMs: LOCK_WAIT_MS } as const;
  const done = await withQueueLock(repository.pool, at, async (lock) => {
    await recover(repository, lock);
    const holdings = new Holdings(lock);
    const taken = await each(repository, possible, (order) => take(repository, holdings, order));
    if (taken.length > 0) await publishOrders(repository, lock, holdings, taken);
    return taken.length > 0;
  });
  return done === true;
}

/** Results of those orders for which there is one; what goes wrong with one is written on that one. */
async function each<T>(
  repository: Repository,
  orders: readonly OrderRow[],
  work: (order: OrderRow) => Promise<T | null>,
): Promise<T[]> {
  const results: T[] = [];
  for (const order of orders) {
    try {
      const result = await work(order);
      if (result !== null) results.push(result);
    } catch (error) {
      await fail(repository, order, error);
    }
  }
  return results;
}

/** Decides one order and adds what it changes; null when somebody else has decided it. */
async function take(repository: Repository, holdings: Holdings, seen: OrderRow): Promise<Taken | null> {
  const order = await openOrder(holdings.lock.client, seen.id);
  if (!order) return null;
  switch (order.kind) {
    case 'rollback':
      return takeRollback(repository, holdings.lock, order);
    case 'remove':
      return takeRemoval(repository, holdings, order);
    case 'promote':
      return takePromotion(repository, holdings, order);
    default:
      return unreachable(order);
  }
}

function causeOf(taken: readonly Taken[]): string {
  return taken.every(({ order }) => order.kind === 'remove') ? 'removal' : 'promotion';
}

async function publishOrders(
  repository: Repository,
  lock: QueueLock,
  holdings: Holdings,
  taken: readonly Taken[],
): Promise<void> {
  const { queue, product } = lock;
  const requesters = new Set(taken.map(({ order }) => order.requested_by));
  // A roll-back is alone in its batch and brings its own changes.
  const rollback = taken.find((one) => one.rollback)?.rollback;
  await publish(repository, lock, {
    ...{ queue, product, ...(rollback ?? holdings.changes()) },
    cause: rollback ? 'rollback' : causeOf(taken),
    who: requesters.size === 1 ? ([...requesters][0] ?? null) : null,
    alongside: async (client, generation) => {
      for (const { order } of taken) {
        const change = { id: order.id, from: 'accepted', to: 'done' } as const;
        if (!(await moveOrder(client, change, { generationId: generation.id }))) {
          throw new AppError('order-taken', `Another process carried out order ${order.id}`);
        }
      }
    },
  });
  repository.metrics.orders.inc({ result: 'done' }, taken.length);
}

async function fail(repository: Repository, order: OrderRow, error: unknown): Promise<void> {
  const { log, pool } = repository;
  const facts = { order: order.id, kind: order.kind, source: order.source, to: order.to_queue };
  if (error instanceof AppError && error.code === 'rights-unavailable') {
    await noteWaiting(pool, order, error.code, error.message);
    log.warn({ ...facts, hint: error.hint }, error.message);
    return;
  }
  if (!(error instanceof AppError) || !REFUSALS.includes(error.code)) {
    log.error({ err: error, ...facts }, 'order failed, tried again at the next sweep');
    await noteOrderTrouble(repository, [order.id], error);
    return;
  }
  const open = await openOrder(pool, order.id);
  if (!open) return;
  const change = { code: error.code, reason: error.message };
  await moveOrder(pool, { id: order.id, from: open.status, to: 'refused' }, change);
  await wake(pool, GARAGE_CHANNEL);
  repository.metrics.orders.inc({ result: 'refused' });
  log.info({ ...facts, code: error.code }, 'order refused');
}
