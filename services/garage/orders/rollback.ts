/** Roll-backs as pages show and order them; the repository decides and carries them out. */
import { transaction } from '../../../shared/database/pool.ts';
import {
  comparedPackages,
  packageDifferences,
  type PackageDifference,
} from '../../../shared/protocol/generation-history.ts';
import { keyringPackageName } from '../../../shared/protocol/names.ts';
import { orderRollback, type RollbackRequest } from '../../../shared/protocol/rollback-order.ts';
import type { Garage } from '../context.ts';
import { promotableSources } from '../web/repository.ts';

/** What a page compares; a roll-back of more is for the command line. */
const MAX_COMPARED = 50_000;

export interface RollbackPreview {
  /** What clients would see. */
  differences: PackageDifference[];
  /** Sources that the account may not change; empty when it may order the roll-back. */
  denied: string[];
  /** More than a page compares. */
  isTooMuch: boolean;
}

/**
 * What going from generation `from` to `to` would mean, without the archive's own keys, which stay. Throws
 * `generation-unknown` and `changes-unknown`.
 */
export async function previewRollback(
  garage: Garage,
  login: string,
  wanted: { queue: string; product: string; from: number; to: number },
): Promise<RollbackPreview> {
  const { from, to, product } = wanted;
  const all = await comparedPackages(garage.pool, wanted, { from, to, limit: MAX_COMPARED });
  const keyring = keyringPackageName(garage.common.name);
  const compared = all.filter((each) => each.source !== keyring);
  const changed = compared.filter((each) => each.before !== each.after);
  const sources = [...new Set(changed.map((each) => each.source))];
  const mine = await promotableSources(garage.pool, login, product, sources);
  return {
    differences: packageDifferences(compared),
    denied: sources.filter((source) => !mine.has(source)),
    isTooMuch: all.length === MAX_COMPARED,
  };
}

/** Orders it and returns the order's id. */
export function requestRollback(garage: Garage, request: RollbackRequest): Promise<string> {
  return transaction(garage.pool, (client) => orderRollback(client, request));
}
