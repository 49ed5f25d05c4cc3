/** Lets checked sets into a queue, one after the other, and adds up what changes. */
import { transaction } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Repository } from '../context.ts';
import { placesOf } from '../places.ts';
import { requireQueue } from '../indexes/release.ts';
import { keepsOldVersions } from '../upkeep/retention/slices.ts';
import type { Holdings } from '../generations/holdings.ts';
import { rolledBackBy } from '../generations/rollback.ts';
import { placeIntoPool } from '../pool/place.ts';
import { takenBinary } from '../pool/owners.ts';
import { claimFiles, recordPackage, type KnownPackage } from '../pool/records.ts';
import { arrive } from './arrival.ts';
import type { CheckedSet } from './check.ts';

/** Codes of {@link admit} that refuse a set; any other error is ours, and the set waits. */
export const ADMIT_REFUSALS: readonly string[] = [
  ...['version-check-failed', 'file-exists', 'binary-taken', 'rolled-back'],
];

/**
 * Lets one set in: version rule, names claimed for ever, packages recorded, files in the pool, durable once the
 * folders in `touched` are settled. Throws one of {@link ADMIT_REFUSALS} for a set that is to be refused; `holdings`
 * is unchanged then.
 */
export async function admit(
  repository: Repository,
  holdings: Holdings,
  set: CheckedSet,
  touched: Set<string>,
): Promise<void> {
  const { queue, product, source, sourceVersion, architecture } = set.manifest;
  const held = await holdings.of(source);
  if (!held.some((each) => each.sourceVersion === sourceVersion)) await checkNotRolledBack(holdings, set);
  const after = await transaction(repository.pool, async (client) => {
    const placed = set.files.map(({ taken, path }) => ({ path, size: taken.size, sha256: taken.sha256 }));
    await claimFiles(client, product, placed);
    const packages: KnownPackage[] = [];
    for (const each of set.packages) {
      packages.push({ ...each, id: await recordPackage(client, product, each) });
    }
    const refusal = takenBinary(queue, await holdings.namesOfOthers(source, set.packages));
    if (refusal) throw refusal;
    const { dscArchitectures } = set;
    const keepsOld = keepsOldVersions(requireQueue(repository.common, queue).retention);
    const arrival = { queue, source, sourceVersion, architecture, dscArchitectures, packages, keepsOld };
    return arrive(held, arrival);
  });
  await repository.step('set-claimed');
  const { pool } = placesOf(repository.home, queue, product);
  for (const { taken, path } of set.files) {
    await placeIntoPool(taken.file, pool, { path, size: taken.size, sha256: taken.sha256 }, touched);
  }
  holdings.replace(source, after);
}

/** A build that was under way when its version was rolled back does not bring it back. */
async function checkNotRolledBack({ lock }: Holdings, set: CheckedSet): Promise<void> {
  const { source, sourceVersion } = set.manifest;
  const by = await rolledBackBy(lock.client, lock, source, sourceVersion);
  if (!by) return;
  throw new AppError(
    'rolled-back',
    `${source} ${sourceVersion} was rolled back from ${lock.queue} in generation ${String(by.number)}: it takes a newer version, or a roll-back to a generation that has it.`,
  );
}
