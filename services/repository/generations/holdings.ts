/** Adds up many changes of one queue before they are published as one generation. */
import type { QueueLock } from '../locks.ts';
import { namesOfOthers, type OwnedName } from '../pool/owners.ts';
import { membersOfSource, type KnownPackage } from '../pool/records.ts';

/** What a queue holds of each source that is touched: before, and as one change is added to the other. */
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

  /** Binary names of `packages` that other sources hold, with what was changed so far. */
  async namesOfOthers(
    source: string,
    packages: readonly Pick<KnownPackage, 'kind' | 'name'>[],
  ): Promise<OwnedName[]> {
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
