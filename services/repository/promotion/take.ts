/** Takes one order on: decides that it can be carried out and prepares what the publish needs. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { settlePaths } from '../../../shared/files/settle.ts';
import type { OrderRow, PromotionRow, RemovalRow, RollbackRow } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import type { Holdings } from '../generations/holdings.ts';
import { planRollback, rolledBackBy } from '../generations/rollback.ts';
import { requireQueue } from '../indexes/release.ts';
import { keepsOldVersions } from '../upkeep/retention/slices.ts';
import type { QueueLock } from '../locks.ts';
import { placesOf } from '../places.ts';
import { placeIntoPool } from '../pool/place.ts';
import { poolFiles } from '../pool/records.ts';
import { planPromotion, type PromotionPlan } from './plan.ts';
import { checkLosses, planRemoval } from './removal.ts';
import { sourcesDenied } from './rights.ts';
import { moveOrder } from './rows.ts';

/** Sources that a refusal names. */
const NAMED_SOURCES = 5;

export interface Taken {
  /** `accepted`. */
  order: OrderRow;
  /** What a roll-back changes; a promotion's changes are in the holdings. */
  rollback?: { add: string[]; remove: string[] };
}

/**
 * Adds a promotion to the holdings, its files linked into the queue's pool; null when somebody else decided the
 * order. Throws what refuses it: the codes of {@link planPromotion}, `not-allowed` and `rolled-back`.
 */
export async function takePromotion(
  repository: Repository,
  holdings: Holdings,
  order: PromotionRow,
): Promise<Taken | null> {
  if ((await sourcesDenied(repository.pool, order, [order.source])).length > 0) {
    throw new AppError(
      'not-allowed',
      `${order.requested_by ?? ''} is not a maintainer of ${order.source} in ${order.product}; its maintainers and admins may promote it.`,
    );
  }
  const { retention } = requireQueue(repository.common, order.to_queue);
  const plan = await planPromotion(holdings, order, keepsOldVersions(retention));
  await checkNotRolledBack(holdings.lock, order, plan.version);
  if (!(await accept(repository, order))) return null;
  await linkFiles(repository, holdings.lock, order, plan);
  await repository.step('order-linked');
  holdings.replace(order.source, plan.after);
  return { order };
}

/** Who ordered it before the roll-back did not know of it; who does so after it means it. */
async function checkNotRolledBack(lock: QueueLock, order: PromotionRow, version: string): Promise<void> {
  const by = await rolledBackBy(lock.client, lock, order.source, version);
  if (!by || by.createdAt < order.requested_at) return;
  throw new AppError(
    'rolled-back',
    `${order.source} ${version} was rolled back from ${lock.queue} in generation ${String(by.number)} after this was ordered; order it again if it shall come back.`,
  );
}

/**
 * Plans a roll-back; null when somebody else decided the order. Throws what refuses it: the codes of
 * {@link planRollback} and `not-allowed`.
 */
export async function takeRollback(
  repository: Repository,
  lock: QueueLock,
  order: RollbackRow,
): Promise<Taken | null> {
  const wanted = { ...{ queue: lock.queue, product: lock.product }, to: order.to_generation };
  const plan = await planRollback(repository, lock.client, { ...wanted, seen: order.from_generation });
  const denied = await sourcesDenied(repository.pool, order, plan.sources);
  if (denied.length > 0) {
    const more = denied.length > NAMED_SOURCES ? ` and ${String(denied.length - NAMED_SOURCES)} more` : '';
    throw new AppError(
      'not-allowed',
      `${order.requested_by ?? ''} is not a maintainer of ${denied.slice(0, NAMED_SOURCES).join(', ')}${more}, which this would change too; admins may roll back everything.`,
    );
  }
  if (!(await accept(repository, order))) return null;
  return { order, rollback: { add: plan.add, remove: plan.remove } };
}

/**
 * Adds a removal to the holdings; null when somebody else decided the order. Throws what refuses it: the codes of
 * {@link planRemoval}, `would-break` and `not-allowed`.
 */
export async function takeRemoval(
  repository: Repository,
  holdings: Holdings,
  order: RemovalRow,
): Promise<Taken | null> {
  if ((await sourcesDenied(repository.pool, order, [order.source])).length > 0) {
    throw new AppError(
      'not-allowed',
      `${order.requested_by ?? ''} is not a maintainer of ${order.source} in ${order.product}; its maintainers and admins may remove it.`,
    );
  }
  const { queue, product } = holdings.lock;
  const held = await holdings.of(order.source);
  const wanted = { queue, product, source: order.source, version: order.source_version };
  const changes = { ...holdings.changes(), held };
  const plan = await planRemoval(repository, holdings.lock.client, wanted, changes);
  checkLosses(order, plan);
  if (!(await accept(repository, order))) return null;
  holdings.replace(order.source, plan.after);
  return { order };
}

async function accept(repository: Repository, order: OrderRow): Promise<boolean> {
  if (order.status === 'accepted') return true;
  const change = { id: order.id, from: order.status, to: 'accepted' } as const;
  if (!(await moveOrder(repository.pool, change))) return false;
  await repository.step('order-accepted');
  return true;
}

async function linkFiles(
  repository: Repository,
  lock: QueueLock,
  order: PromotionRow,
  plan: PromotionPlan,
): Promise<void> {
  const from = placesOf(repository.home, order.from_queue, order.product);
  const to = placesOf(repository.home, order.to_queue, order.product);
  const paths = [...new Set(plan.add.flatMap((each) => each.files))];
  const touched = new Set<string>();
  for (const file of await poolFiles(lock.client, order.product, paths)) {
    await placeIntoPool(joinInside(from.pool, file.path), to.pool, file, touched);
  }
  await settlePaths(touched, to.pool);
}
