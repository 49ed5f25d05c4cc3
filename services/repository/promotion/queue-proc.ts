/**
 * queue-proc: carries out what people ordered. `requested -> accepted -> done | refused`.
 *
 * `accepted` is committed before anything is done; `done` together with the generation. So after a crash
 * an accepted order is planned anew from what the queues hold then, and is carried out once. One order's
 * failure never stops the others; ours (a full disk) leaves the order accepted for the next sweep.
 */
import { wake } from '../../../shared/database/listen.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { GARAGE_CHANNEL, type OrderRow } from '../../../shared/protocol/tables.ts';
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { publish } from '../generations/publish.ts';
import { recover } from '../generations/recover.ts';
import { withQueueLock, type QueueLock } from '../locks.ts';
import { placesOf } from '../places.ts';
import { placeIntoPool } from '../pool/place.ts';
import { poolFiles } from '../pool/records.ts';
import { planPromotion, type PromotionPlan } from './plan.ts';
import { mayPromote } from './rights.ts';
import { moveOrder, noteWaiting, openOrders } from './rows.ts';

/** A queue manager may be publishing a large set; past this the order waits for the next sweep. */
const LOCK_WAIT_MS = 30_000;

/** Codes that refuse an order; every other error is ours and is tried again. */
const REFUSALS = [
  ...['queue-unknown', 'product-unknown', 'queue-order', 'source-not-there', 'version-not-there'],
  ...['source-incomplete', 'already-there', 'version-older', 'binary-taken', 'not-allowed'],
];

/** One run takes every open order; `onPublished` tells rqp. */
export function createQueueProc(repository: Repository, onPublished: () => void): Coalesced {
  const sweep = async (): Promise<void> => {
    for (const order of await openOrders(repository.pool)) {
      try {
        if (await carryOut(repository, order)) onPublished();
      } catch (error) {
        await fail(repository, order, error);
      }
    }
  };
  return coalesce(sweep, (error) => repository.log.error({ err: error }, 'order sweep failed'));
}

/** True when a generation came of it. */
async function carryOut(repository: Repository, order: OrderRow): Promise<boolean> {
  await checkRights(repository, order);
  if (order.status === 'requested') {
    await planPromotion(repository.pool, repository.common, order); // refused before it is accepted
    if (!(await moveOrder(repository.pool, { id: order.id, from: 'requested', to: 'accepted' })))
      return false;
    await repository.step('order-accepted');
  }
  const accepted: OrderRow = { ...order, status: 'accepted' };
  const at = { queue: order.to_queue, product: order.product };
  const done = await withQueueLock(
    repository.pool,
    { kind: 'publish', ...at, waitMs: LOCK_WAIT_MS },
    (lock) => promote(repository, lock, accepted),
  );
  return done === true;
}

async function checkRights(repository: Repository, order: OrderRow): Promise<void> {
  if (await mayPromote(repository.pool, order)) return;
  throw new AppError(
    'not-allowed',
    `${order.requested_by ?? ''} is not a maintainer of ${order.source} in ${order.product}; its maintainers and admins may promote it.`,
  );
}

async function promote(repository: Repository, lock: QueueLock, order: OrderRow): Promise<boolean> {
  await recover(repository, lock);
  const plan = await planPromotion(lock.client, repository.common, order);
  await linkFiles(repository, lock, order, plan);
  await repository.step('order-linked');
  await publish(repository, lock, {
    queue: order.to_queue,
    product: order.product,
    add: plan.add.map((each) => each.id),
    remove: plan.remove.map((each) => each.id),
    cause: 'promotion',
    who: order.requested_by,
    alongside: async (client, generation) => {
      const change = { id: order.id, from: 'accepted', to: 'done' } as const;
      if (!(await moveOrder(client, change, { generationId: generation.id }))) {
        throw new AppError('order-taken', 'Another process carried out this order');
      }
    },
  });
  repository.metrics.orders.inc({ result: 'done' });
  return true;
}

async function linkFiles(
  repository: Repository,
  lock: QueueLock,
  order: OrderRow,
  plan: PromotionPlan,
): Promise<void> {
  const from = placesOf(repository.home, order.from_queue, order.product);
  const to = placesOf(repository.home, order.to_queue, order.product);
  const paths = [...new Set(plan.add.flatMap((each) => each.files))];
  for (const file of await poolFiles(lock.client, order.product, paths)) {
    await placeIntoPool(joinInside(from.pool, file.path), to.pool, file);
  }
}

async function fail(repository: Repository, order: OrderRow, error: unknown): Promise<void> {
  const { log, pool } = repository;
  const facts = { order: order.id, source: order.source, to: order.to_queue };
  if (error instanceof AppError && error.code === 'rights-unavailable') {
    await noteWaiting(pool, order, error.code, error.message);
    log.warn({ ...facts, hint: error.hint }, error.message);
    return;
  }
  if (!(error instanceof AppError) || !REFUSALS.includes(error.code)) {
    log.error({ err: error, ...facts }, 'order failed, tried again at the next sweep');
    return;
  }
  const { rows } = await pool.query<OrderRow>('select * from orders where id = $1', [order.id]);
  const status = rows[0]?.status;
  if (status !== 'requested' && status !== 'accepted') return;
  const change = { code: error.code, reason: error.message };
  await moveOrder(pool, { id: order.id, from: status, to: 'refused' }, change);
  await wake(pool, GARAGE_CHANNEL);
  repository.metrics.orders.inc({ result: 'refused' });
  log.info({ ...facts, code: error.code }, 'order refused');
}
