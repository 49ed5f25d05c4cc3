/** Which packages a filtered mirror holds: those that its patterns mean and, if asked for, what they depend on. */
import { allowsVersion, parseRelations, type Relation } from '../../../shared/debian/relations.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { MirrorFilter } from './definition.ts';
import type { BinaryStanza } from './stanzas.ts';

/** True when `*` and `?` of the glob make it the name; a loop, because a hostile glob makes a pattern slow. */
export function matchesGlob(glob: string, name: string): boolean {
  let at = 0;
  let inGlob = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    if (inGlob < glob.length && glob[inGlob] === '*') {
      star = inGlob;
      resume = at;
      inGlob += 1;
    } else if (inGlob < glob.length && (glob[inGlob] === '?' || glob[inGlob] === name[at])) {
      at += 1;
      inGlob += 1;
    } else if (star >= 0) {
      resume += 1;
      at = resume;
      inGlob = star + 1;
    } else return false;
  }
  while (glob[inGlob] === '*') inGlob += 1;
  return inGlob === glob.length;
}

/** `net` means `net` and `contrib/net`; `contrib/net` means itself. */
export function matchesSection(wanted: string, section: string): boolean {
  return wanted === section || section.endsWith(`/${wanted}`);
}

/** True when a package is meant by every kind of criterion that is given, or by what is asked for beside them. */
export function isMeant(
  filter: MirrorFilter,
  each: Pick<BinaryStanza, 'name' | 'section'> & { priority: string | null },
): boolean {
  const { packages, sections, priorities, also } = filter;
  if (also.some((glob) => matchesGlob(glob, each.name))) return true;
  if (packages.length + sections.length + priorities.length === 0) return also.length === 0;
  if (packages.length > 0 && !packages.some((glob) => matchesGlob(glob, each.name))) return false;
  if (sections.length > 0 && !sections.some((wanted) => matchesSection(wanted, each.section))) return false;
  return priorities.length === 0 || (each.priority !== null && priorities.includes(each.priority));
}

/** One package wherever it stands. */
export function keyOf({
  name,
  version,
  architecture,
}: Pick<BinaryStanza, 'name' | 'version' | 'architecture'>): string {
  return `${name} ${version} ${architecture}`;
}

export interface Choice {
  /** By {@link keyOf}. */
  keys: Set<string>;
  /** Relations that nothing in the archive satisfies, as `package: relation`, sorted. */
  unmet: string[];
}

/** What of an architecture's packages (its own and `all`) a filter means. */
export function choose(packages: readonly BinaryStanza[], filter: MirrorFilter): Choice {
  const meant = packages.filter((each) => isMeant(filter, each));
  if (!filter.withDependencies) return { keys: new Set(meant.map(keyOf)), unmet: [] };
  return new Closure(packages).close(meant);
}

/** More than the list of anybody's patience; the rest is not shown. */
const MAX_UNMET = 1_000;

/** Depends and Pre-Depends, followed as apt would in an empty system: what is chosen already, else the first that is there. */
class Closure {
  readonly #byName = new Map<string, BinaryStanza[]>();
  readonly #providers = new Map<string, { version: string | null; by: BinaryStanza }[]>();
  readonly #keys = new Set<string>();
  readonly #unmet = new Set<string>();
  readonly #queue: BinaryStanza[] = [];

  constructor(packages: readonly BinaryStanza[]) {
    for (const each of packages) {
      this.#byName.set(each.name, [...(this.#byName.get(each.name) ?? []), each]);
      if (each.provides !== '') this.#addProvides(each);
    }
    // The newest first, so that it is what a relation finds.
    for (const all of this.#byName.values()) all.sort((a, b) => compareVersions(b.version, a.version));
    for (const all of this.#providers.values()) all.sort((a, b) => compareProviders(a.by, b.by));
  }

  close(meant: readonly BinaryStanza[]): Choice {
    for (const each of meant) this.#take(each);
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      for (const group of [...relationsOf(next.preDepends), ...relationsOf(next.depends)]) {
        this.#satisfy(next, group);
      }
    }
    return { keys: this.#keys, unmet: [...this.#unmet].toSorted() };
  }

  #addProvides(each: BinaryStanza): void {
    for (const [relation] of relationsOf(each.provides)) {
      if (!relation) continue;
      const version = relation.version?.operator === '=' ? relation.version.version : null;
      this.#providers.set(relation.name, [
        ...(this.#providers.get(relation.name) ?? []),
        { version, by: each },
      ]);
    }
  }

  #take(each: BinaryStanza): void {
    const key = keyOf(each);
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.#queue.push(each);
  }

  #satisfy(of: BinaryStanza, group: readonly Relation[]): void {
    const candidates = group.map((relation) => this.#candidates(relation));
    if (candidates.flat().some((each) => this.#keys.has(keyOf(each)))) return;
    const first = candidates.find((each) => each.length > 0)?.[0];
    if (first) this.#take(first);
    else if (this.#unmet.size < MAX_UNMET)
      this.#unmet.add(`${of.name}: ${group.map(shownRelation).join(' | ')}`);
  }

  #candidates(relation: Relation): BinaryStanza[] {
    const real = (this.#byName.get(relation.name) ?? []).filter((each) => isAllowed(relation, each.version));
    const virtual = (this.#providers.get(relation.name) ?? [])
      .filter(({ version }) => (version === null ? relation.version === null : isAllowed(relation, version)))
      .map(({ by }) => by);
    return [...real, ...virtual];
  }
}

/** A version that is none satisfies nothing that asks for one. */
function isAllowed(relation: Relation, version: string): boolean {
  try {
    return allowsVersion(relation, version);
  } catch {
    return false;
  }
}

/** Relations that cannot be read count as none: the archive's own tools would not follow them either. */
function relationsOf(field: string): Relation[][] {
  try {
    return parseRelations(field.replaceAll('\n', ' '));
  } catch {
    return [];
  }
}

function shownRelation({ name, version }: Relation): string {
  return version === null ? name : `${name} (${version.operator} ${version.version})`;
}

const PRIORITIES = ['required', 'important', 'standard', 'optional', 'extra'];

function rankOf({ priority }: BinaryStanza): number {
  const at = PRIORITIES.indexOf(priority);
  return at < 0 ? PRIORITIES.length : at;
}

/** The more important one first, then by name. */
function compareProviders(a: BinaryStanza, b: BinaryStanza): number {
  return rankOf(a) - rankOf(b) || (a.name < b.name ? -1 : Number(a.name > b.name));
}
