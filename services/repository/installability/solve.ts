/**
 * Can an item be installed out of a universe, alone with what it needs? A depth-first search over the
 * alternatives, with undo; the question is NP-complete, so it gives up after a number of steps.
 */
import type { Relation } from '../../../shared/debian/relations.ts';
import type { Item } from './items.ts';
import { answers, namesOf, type Universe } from './universe.ts';

/** Real packages take one step for each of their dependencies; what needs more is a puzzle made on purpose. */
const MAX_STEPS = 20_000;

export interface SolveRules {
  isAllowed: (item: Item) => boolean;
  /** Tried first, within what is allowed. */
  isPreferred?: (item: Item) => boolean;
  /** True: a dependency may also be met by the distribution below, if one of its alternatives is not ours. */
  isLenient?: boolean;
}

/** Items that make it installable, itself among them; null: there are none; undefined: too hard to say. */
export function solve(
  universe: Universe,
  root: Item,
  rules: SolveRules,
): ReadonlySet<Item> | null | undefined {
  const search = new Search(universe, rules);
  return search.run(root);
}

interface Frame {
  /** Of the pending group that it answers. */
  at: number;
  options: readonly Item[];
  next: number;
  chosen: number;
  pending: number;
}

class Search {
  readonly #universe: Universe;
  readonly #rules: SolveRules;
  readonly #chosen = new Chosen();
  readonly #pending: (readonly Relation[])[] = [];
  readonly #frames: Frame[] = [];

  constructor(universe: Universe, rules: SolveRules) {
    this.#universe = universe;
    this.#rules = rules;
  }

  run(root: Item): ReadonlySet<Item> | null | undefined {
    if (!this.#chosen.fits(root)) return null;
    this.#choose(root);
    let at = 0;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const group = this.#pending[at];
      if (group === undefined) return new Set(this.#chosen.items);
      if (this.#chosen.isAnswered(group) || this.#isOutside(group)) {
        at += 1;
        continue;
      }
      const { items } = this.#chosen;
      const options = this.#options(group);
      this.#frames.push({ at, options, next: 0, chosen: items.length, pending: this.#pending.length });
      const next = this.#advance();
      if (next === null) return null;
      at = next;
    }
    return undefined;
  }

  /** Nothing of ours ever answered it: the distribution below does, or nobody. */
  #isOutside(group: readonly Relation[]): boolean {
    if (this.#rules.isLenient !== true) return this.#universe.providers(group).length === 0;
    return group.some((relation) => this.#universe.providers([relation]).length === 0);
  }

  #options(group: readonly Relation[]): Item[] {
    const allowed = this.#universe.providers(group).filter((item) => this.#rules.isAllowed(item));
    const isPreferred = this.#rules.isPreferred;
    if (!isPreferred) return allowed;
    return [...allowed.filter((item) => isPreferred(item)), ...allowed.filter((item) => !isPreferred(item))];
  }

  /** Takes the next option of the newest open choice, undoing what came after; the group to go on with. */
  #advance(): number | null {
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      this.#chosen.undo(frame.chosen);
      this.#pending.length = frame.pending;
      while (frame.next < frame.options.length) {
        const option = frame.options[frame.next];
        frame.next += 1;
        if (option === undefined || !this.#chosen.fits(option)) continue;
        this.#choose(option);
        return frame.at + 1;
      }
      this.#frames.pop();
    }
    return null;
  }

  #choose(item: Item): void {
    this.#chosen.add(item);
    this.#pending.push(...item.depends);
  }
}

/** What is installed so far, by name, and what it goes against. */
class Chosen {
  readonly items: Item[] = [];
  readonly #named = new Map<string, { item: Item; version: string | null }[]>();
  readonly #against = new Map<string, { item: Item; relation: Relation }[]>();

  add(item: Item): void {
    this.items.push(item);
    for (const { name, version } of namesOf(item)) push(this.#named, name, { item, version });
    for (const relation of item.against) push(this.#against, relation.name, { item, relation });
  }

  undo(length: number): void {
    while (this.items.length > length) {
      const item = this.items.pop();
      if (item === undefined) return;
      for (const { name } of namesOf(item)) this.#named.get(name)?.pop();
      for (const relation of item.against) this.#against.get(relation.name)?.pop();
    }
  }

  isAnswered(group: readonly Relation[]): boolean {
    return group.some((relation) =>
      (this.#named.get(relation.name) ?? []).some((named) => answers(named.version, relation)),
    );
  }

  /** One version of a name at a time, and nothing against each other; nothing goes against itself. */
  fits(item: Item): boolean {
    const own = this.#named.get(item.name) ?? [];
    if (own.some((named) => named.item.name === item.name)) return false;
    const isAgainstUs = namesOf(item).some(({ name, version }) =>
      (this.#against.get(name) ?? []).some(({ relation }) => answers(version, relation)),
    );
    if (isAgainstUs) return false;
    return !item.against.some((relation) =>
      (this.#named.get(relation.name) ?? []).some((named) => answers(named.version, relation)),
    );
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
