/** What a promotion would do, or why it is refused. Facts only; nothing is changed here. */
import type { CommonConfig } from '../../../shared/config/common.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { OrderRow, PromotionRow } from '../../../shared/protocol/tables.ts';
import type { Holdings } from '../generations/holdings.ts';
import { requireProduct, requireQueue } from '../indexes/release.ts';
import { takenBinary } from '../pool/owners.ts';
import { membersOfSource, type KnownPackage } from '../pool/records.ts';

export interface PromotionPlan {
  version: string;
  /** The source with all its binaries, as far as the target has not got them. */
  add: KnownPackage[];
  /** All that the target holds of the source then: nothing of another version, unless it keeps old ones. */
  after: KnownPackage[];
}

/**
 * Works out the promotion from what the first queue holds now and what the other one will hold by the orders
 * before. Throws an AppError that refuses it: `source-not-there`, `version-not-there`, `source-incomplete`,
 * `already-there`, `version-older`, `binary-taken`. Its message is a sentence for the requester.
 */
export async function planPromotion(
  holdings: Holdings,
  order: PromotionRow,
  keepsOld: boolean,
): Promise<PromotionPlan> {
  const from = { queue: order.from_queue, product: order.product };
  const offered = await membersOfSource(holdings.lock.client, from, order.source);
  const held = await holdings.of(order.source);
  const version = chooseVersion(order, offered);
  const chosen = offered.filter((each) => each.sourceVersion === version);
  const heldIds = new Set(held.map((each) => each.id));
  const add = chosen.filter((each) => !heldIds.has(each.id));
  checkIsNewer(order, version, held, add);
  const refusal = takenBinary(order.to_queue, await holdings.namesOfOthers(order.source, add));
  if (refusal) throw refusal;
  const stay = keepsOld ? held : held.filter((each) => each.sourceVersion === version);
  return { version, add, after: [...stay, ...add] };
}

/** Throws `queue-unknown`, `product-unknown` or `queue-order` for what can never be carried out. */
export function checkNames(common: CommonConfig, order: OrderRow): void {
  requireProduct(common, order.product);
  const from = common.queues.indexOf(requireQueue(common, order.from_queue));
  const to = common.queues.indexOf(requireQueue(common, order.to_queue));
  if (order.kind !== 'promote' || to > from) return;
  throw new AppError(
    'queue-order',
    `${order.to_queue} does not come after ${order.from_queue}; packages go ${common.queues.map((queue) => queue.name).join(', then ')}.`,
  );
}

/** The ordered version, or the newest whose source is there. */
function chooseVersion(order: PromotionRow, offered: readonly KnownPackage[]): string {
  const versions = offered.filter((each) => each.kind === 'source').map((each) => each.version);
  const newest = versions.toSorted(compareVersions).at(-1);
  if (newest === undefined) {
    throw new AppError(
      'source-not-there',
      `${order.from_queue} holds no source package ${order.source} for ${order.product}.`,
    );
  }
  const version = order.source_version ?? newest;
  if (!versions.includes(version)) {
    throw new AppError(
      'version-not-there',
      `${order.from_queue} holds ${order.source} ${newest}, not ${version}: look at the newer one and promote that.`,
    );
  }
  if (offered.every((each) => each.kind === 'source' || each.sourceVersion !== version)) {
    throw new AppError(
      'source-incomplete',
      `${order.from_queue} holds no binary of ${order.source} ${version} yet.`,
    );
  }
  return version;
}

function checkIsNewer(
  order: PromotionRow,
  version: string,
  held: readonly KnownPackage[],
  add: readonly KnownPackage[],
): void {
  const heldVersion = held
    .map((each) => each.sourceVersion)
    .toSorted(compareVersions)
    .at(-1);
  if (heldVersion === undefined) return;
  const comparison = compareVersions(version, heldVersion);
  if (comparison < 0) {
    throw new AppError(
      'version-older',
      `${order.to_queue} already has ${order.source} ${heldVersion}, which is newer than ${version}.`,
    );
  }
  if (comparison === 0 && add.length === 0) {
    throw new AppError('already-there', `${order.to_queue} already has ${order.source} ${version}.`);
  }
}
