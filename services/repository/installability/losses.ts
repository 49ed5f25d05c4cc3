/**
 * What would become uninstallable if some packages left a queue. Only what the queue itself answered can
 * be lost: a dependency that nothing in it ever met is the distribution's.
 */
import type { Relation } from '../../../shared/debian/relations.ts';
import { itemsFor, type Item, type RelatedPackage } from './items.ts';
import { solve } from './solve.ts';
import { Universe } from './universe.ts';

export interface Loss {
  /** What stays and could not be installed (or built, for a source) any more. */
  id: string;
  architecture: string;
  /** Leaving packages that a way to install it uses; where that is too hard to tell, all it could use. */
  neededIds: string[];
  /** The first dependency that nothing meets any more, as a field has it; null: it is a clash. */
  missing: string | null;
}

/** Asks for one queue's packages, in several rounds if need be: what was found to be safe is not asked again. */
export class Losses {
  readonly #worlds: { architecture: string; universe: Universe }[];
  /** `<architecture> <id>` of what can be installed without anything that ever left. */
  readonly #safe = new Set<string>();

  constructor(
    packages: readonly RelatedPackage[],
    architectures: readonly string[],
    onUnreadable?: (id: string, why: string) => void,
  ) {
    this.#worlds = architectures.flatMap((architecture) => {
      const { debs, udebs } = itemsFor(architecture, packages, onUnreadable);
      return [debs, udebs].map((items) => ({ architecture, universe: new Universe(items) }));
    });
  }

  /**
   * What is lost without `leaving`. From one call to the next, `leaving` may only get smaller: what was safe
   * stays so.
   */
  without(leaving: ReadonlySet<string>): Loss[] {
    return this.#worlds.flatMap(({ architecture, universe }) => {
      const losses: Loss[] = [];
      for (const item of affected(universe, leaving)) {
        const key = `${architecture} ${item.id}`;
        if (this.#safe.has(key)) continue;
        const loss = lossOf(universe, item, leaving);
        if (loss) losses.push({ id: item.id, architecture, ...loss });
        else this.#safe.add(key);
      }
      return losses;
    });
  }
}

function lossOf(
  universe: Universe,
  item: Item,
  leaving: ReadonlySet<string>,
): Pick<Loss, 'neededIds' | 'missing'> | null {
  const stays = (each: Item): boolean => !leaving.has(each.id);
  for (const isLenient of [false, true]) {
    const after = solve(universe, item, { isAllowed: stays, isLenient });
    if (after) return null;
    const before = solve(universe, item, { isAllowed: () => true, isPreferred: stays, isLenient });
    if (before === null) continue; // nothing to lose
    const needed = before && after === null ? before : reachable(universe, item);
    const neededIds = [...needed].filter((each) => !stays(each)).map((each) => each.id);
    return neededIds.length === 0 ? null : { neededIds, missing: missingOf(universe, needed, leaving) };
  }
  return null;
}

/** Items that stay and depend, over however many others, on a name that leaves. */
function affected(universe: Universe, leaving: ReadonlySet<string>): Item[] {
  const askedBy = new Map<string, Item[]>();
  for (const item of universe.items) {
    for (const name of new Set(item.depends.flat().map((relation) => relation.name))) {
      const known = askedBy.get(name);
      if (known) known.push(item);
      else askedBy.set(name, [item]);
    }
  }
  const found = new Set(universe.items.filter((item) => leaving.has(item.id)));
  for (const item of found) {
    for (const name of [item.name, ...item.provides.map((each) => each.name)]) {
      for (const asking of askedBy.get(name) ?? []) found.add(asking);
    }
  }
  return [...found].filter((item) => !leaving.has(item.id));
}

/** Everything that some way to install it could use. */
function reachable(universe: Universe, root: Item): Set<Item> {
  const found = new Set([root]);
  for (const item of found) {
    for (const group of item.depends) for (const each of universe.providers(group)) found.add(each);
  }
  return found;
}

function missingOf(universe: Universe, items: Iterable<Item>, leaving: ReadonlySet<string>): string | null {
  for (const item of items) {
    if (leaving.has(item.id)) continue;
    for (const group of item.depends) {
      const providers = universe.providers(group);
      if (providers.length > 0 && providers.every((each) => leaving.has(each.id))) return textOf(group);
    }
  }
  return null;
}

function textOf(group: readonly Relation[]): string {
  return group
    .map(({ name, version }) => (version ? `${name} (${version.operator} ${version.version})` : name))
    .join(' | ');
}
