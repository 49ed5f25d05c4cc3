/**
 * Packages as an installer on one architecture sees them: what each depends on, goes against and provides
 * (Policy 7). A source is an item too: building it needs its build-dependencies installed together.
 */
import { matchesArchitecture } from '../../../shared/debian/architecture.ts';
import { parseRelations, reduceRelations, type Relation } from '../../../shared/debian/relations.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';

/** What a queue holds, as far as it matters here. */
export interface RelatedPackage {
  id: string;
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  version: string;
  architecture: string;
  /** As in the index. */
  stanza: string;
}

export interface Item {
  id: string;
  /** `src:hello` for a source. */
  name: string;
  version: string;
  /** All of these, each by one of its alternatives. */
  depends: Relation[][];
  /** None of these beside it. */
  against: Relation[];
  provides: { name: string; version: string | null }[];
}

const BINARY = { depends: ['Pre-Depends', 'Depends'], against: ['Conflicts', 'Breaks'] };
const SOURCE = {
  depends: ['Build-Depends', 'Build-Depends-Arch', 'Build-Depends-Indep'],
  against: ['Build-Conflicts', 'Build-Conflicts-Arch', 'Build-Conflicts-Indep'],
};

/**
 * The items of one architecture: its own packages and `all`; udebs stand apart, since no deb installs them.
 * A package whose relations cannot be read is left out and told to `onUnreadable`.
 */
export function itemsFor(
  architecture: string,
  packages: readonly RelatedPackage[],
  onUnreadable: (id: string, why: string) => void = () => undefined,
): { debs: Item[]; udebs: Item[] } {
  const items: { debs: Item[]; udebs: Item[] } = { debs: [], udebs: [] };
  for (const each of packages) {
    try {
      const item = itemOf(each, architecture);
      if (item) items[each.kind === 'udeb' ? 'udebs' : 'debs'].push(item);
    } catch (error) {
      onUnreadable(each.id, messageOf(error));
    }
  }
  return items;
}

function itemOf(each: RelatedPackage, architecture: string): Item | null {
  const isSource = each.kind === 'source';
  if (!isSource && each.architecture !== architecture && each.architecture !== 'all') return null;
  const found = fieldsOf(each.stanza);
  if (isSource && !isBuiltFor(found.get('Architecture') ?? '', architecture)) return null;
  const fields = isSource ? SOURCE : BINARY;
  const read = (names: readonly string[]): Relation[][] =>
    names.flatMap((name) => readRelations(found.get(name), architecture));
  return {
    id: each.id,
    name: isSource ? `src:${each.name}` : each.name,
    version: each.version,
    depends: read(fields.depends),
    against: read(fields.against).flat(),
    provides: isSource ? [] : read(['Provides']).flat().map(provided),
  };
}

const FIELD =
  /^(Architecture|(?:Pre-)?Depends|Conflicts|Breaks|Provides|Build-(?:Depends|Conflicts)(?:-Arch|-Indep)?):([^\n]*(?:\n[ \t][^\n]*)*)/gm;

/** Our own stanzas, in one form only: of tens of thousands, a parser of all fields would take most of the time. */
function fieldsOf(stanza: string): Map<string, string> {
  const found = stanza.matchAll(FIELD);
  return new Map([...found].map(([, name = '', value = '']) => [name, value.replaceAll('\n', ' ').trim()]));
}

function isBuiltFor(architectures: string, architecture: string): boolean {
  return architectures.split(/[ \t]+/).some((wildcard) => matchesArchitecture(architecture, wildcard));
}

/** What counts on the architecture; a package of another one (`gcc:armhf`) is not this queue's to give. */
function readRelations(value: string | undefined, architecture: string): Relation[][] {
  if (value === undefined) return [];
  const groups = reduceRelations(parseRelations(value), { architecture, profiles: [] });
  const isForeign = ({ qualifier }: Relation): boolean =>
    qualifier !== null && !['any', 'native', architecture].includes(qualifier);
  return groups.filter((group) => !group.some(isForeign));
}

function provided({ name, version }: Relation): Item['provides'][number] {
  return { name, version: version?.operator === '=' ? version.version : null };
}
