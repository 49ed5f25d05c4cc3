/** Items by the names they answer to. */
import { allowsVersion, type Relation } from '../../../shared/debian/relations.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { Item } from './items.ts';

interface Named {
  item: Item;
  /** null: provided without a version, which answers no relation that asks for one (Policy 7.5). */
  version: string | null;
}

/** Names an item answers to, its own first. */
export function namesOf(item: Item): { name: string; version: string | null }[] {
  return [{ name: item.name, version: item.version }, ...item.provides];
}

export class Universe {
  readonly items: readonly Item[];
  readonly #byName = new Map<string, Named[]>();
  readonly #providers = new WeakMap<readonly Relation[], Item[]>();

  constructor(items: readonly Item[]) {
    this.items = items;
    for (const item of items) {
      for (const { name, version } of namesOf(item)) {
        const known = this.#byName.get(name);
        if (known) known.push({ item, version });
        else this.#byName.set(name, [{ item, version }]);
      }
    }
  }

  /** What can answer one of the alternatives: in their order, real packages before provided, newest first. */
  providers(group: readonly Relation[]): Item[] {
    const known = this.#providers.get(group);
    if (known) return known;
    const found = [...new Set(group.flatMap((relation) => this.#answering(relation)))];
    this.#providers.set(group, found);
    return found;
  }

  #answering(relation: Relation): Item[] {
    return (this.#byName.get(relation.name) ?? [])
      .filter((named) => answers(named.version, relation))
      .toSorted(
        (a, b) => rank(a, relation) - rank(b, relation) || compareVersions(b.item.version, a.item.version),
      )
      .map((named) => named.item);
  }
}

function rank({ item }: Named, relation: Relation): number {
  return item.name === relation.name ? 0 : 1;
}

/** True when something of this version, null for none, is what the relation asks for. */
export function answers(version: string | null, relation: Relation): boolean {
  return version === null ? relation.version === null : allowsVersion(relation, version);
}
