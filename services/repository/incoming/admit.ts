/** Lets checked sets into a queue, one after the other, and adds up what changes. */
import { transaction } from '../../../shared/database/pool.ts';
import type { Repository } from '../context.ts';
import type { QueueLock } from '../locks.ts';
import { placesOf } from '../places.ts';
import { placeIntoPool } from '../pool/place.ts';
import { namesOfOthers, takenBinary, type OwnedName } from '../pool/owners.ts';
import {
  claimFiles,
  membersOfSource,
  recordPackage,
  type KnownPackage,
  type NewPackage,
} from '../pool/records.ts';
import { arrive } from './arrival.ts';
import type { CheckedSet } from './check.ts';

/** What a queue holds of each source that a sweep touches: before it, and as sets are let in. */
export class Holdings {
  readonly lock: QueueLock;
  readonly #before = new Map<string, readonly KnownPackage[]>();
  readonly #now = new Map<string, readonly KnownPackage[]>();

  constructor(lock: QueueLock) {
    this.lock = lock;
  }

  async of(source: string): Promise<readonly KnownPackage[]> {
    const known = this.#now.get(source);
    if (known) return known;
    const members = await membersOfSource(this.lock.client, this.lock, source);
    this.#before.set(source, members);
    this.#now.set(source, members);
    return members;
  }

  /** Binary names of `packages` that other sources hold, with what this sweep has let in so far. */
  async namesOfOthers(source: string, packages: readonly NewPackage[]): Promise<OwnedName[]> {
    const stored = await namesOfOthers(this.lock.client, this.lock, source, packages);
    const names = new Set(packages.filter((each) => each.kind !== 'source').map((each) => each.name));
    const touched = [...this.#now.entries()]
      .filter(([other]) => other !== source)
      .flatMap(([, held]) => held.filter((each) => each.kind !== 'source' && names.has(each.name)));
    return [...stored.filter((each) => !this.#now.has(each.source)), ...touched];
  }

  replace(source: string, packages: readonly KnownPackage[]): void {
    this.#now.set(source, packages);
  }

  /** Ids of packages that come and that leave, over all sources. */
  changes(): { add: string[]; remove: string[] } {
    const before = ids(this.#before);
    const now = ids(this.#now);
    return {
      add: [...now].filter((id) => !before.has(id)),
      remove: [...before].filter((id) => !now.has(id)),
    };
  }
}

function ids(all: ReadonlyMap<string, readonly KnownPackage[]>): Set<string> {
  return new Set([...all.values()].flat().map((each) => each.id));
}

/** Codes of {@link admit} that refuse a set; any other error is ours, and the set waits. */
export const ADMIT_REFUSALS: readonly string[] = ['version-check-failed', 'file-exists', 'binary-taken'];

/**
 * Lets one set in: version rule, names claimed for ever, packages recorded, files in the pool. Throws
 * `version-check-failed`, `file-exists` or `binary-taken` for a set that is to be refused; `holdings` is unchanged then.
 */
export async function admit(repository: Repository, holdings: Holdings, set: CheckedSet): Promise<void> {
  const { queue, product, source, sourceVersion, architecture } = set.manifest;
  const held = await holdings.of(source);
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
    return arrive(held, { queue, source, sourceVersion, architecture, dscArchitectures, packages });
  });
  await repository.step('set-claimed');
  const { pool } = placesOf(repository.home, queue, product);
  for (const { taken, path } of set.files) {
    await placeIntoPool(taken.file, pool, { path, size: taken.size, sha256: taken.sha256 });
  }
  holdings.replace(source, after);
}
