/** Which stanza goes into which index. */
import { compareNames, type Group } from './chunks/chunked-index.ts';

/** What decides where a package is indexed. */
export interface IndexedName {
  component: string;
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  architecture: string;
}

/** A row of `packages`, as far as the indexes need it. */
export interface IndexedPackage extends IndexedName {
  version: string;
  /** Ready to print, without the empty line after it. */
  stanza: string;
}

export interface IndexScope {
  components: readonly string[];
  architectures: readonly string[];
}

/**
 * Paths, relative to the generation and without the ending of a compressed form, of the indexes a package
 * stands in. `Architecture: all` stands in every architecture's; what is out of scope stands in none.
 */
export function pathsOf(each: IndexedName, scope: IndexScope): string[] {
  if (!scope.components.includes(each.component)) return [];
  if (each.kind === 'source') return [`${each.component}/source/Sources`];
  const folder = each.kind === 'udeb' ? 'debian-installer/' : '';
  return scope.architectures
    .filter((architecture) => each.architecture === architecture || each.architecture === 'all')
    .map((architecture) => `${each.component}/${folder}binary-${architecture}/Packages`);
}

/** Indexes that are there even when they are empty, since clients ask for each that Release names. */
export function standingPaths(scope: IndexScope): string[] {
  return scope.components.flatMap((component) => [
    `${component}/source/Sources`,
    ...scope.architectures.map((architecture) => `${component}/binary-${architecture}/Packages`),
  ]);
}

/** Indexes of a component's udebs: all there as soon as one has anything in it. */
export function installerPaths(component: string, scope: IndexScope): string[] {
  return scope.architectures.map((each) => `${component}/debian-installer/binary-${each}/Packages`);
}

/** The packages as sorted groups, by index path; paths without packages are left out. */
export function groupsByPath(
  packages: readonly IndexedPackage[],
  scope: IndexScope,
): Map<string, Map<string, Group>> {
  const byPath = new Map<string, Map<string, IndexedPackage[]>>();
  for (const each of packages) {
    for (const path of pathsOf(each, scope)) {
      const byName = byPath.get(path) ?? new Map<string, IndexedPackage[]>();
      byPath.set(path, byName);
      byName.set(each.name, [...(byName.get(each.name) ?? []), each]);
    }
  }
  return new Map(
    [...byPath].map(([path, byName]) => {
      const names = [...byName].sort(([a], [b]) => compareNames(a, b));
      return [path, new Map(names.map(([name, own]) => [name, { name, text: groupText(own) }]))];
    }),
  );
}

function groupText(packages: readonly IndexedPackage[]): Buffer {
  const sorted = packages.toSorted(
    (a, b) => compareNames(a.version, b.version) || compareNames(a.architecture, b.architecture),
  );
  return Buffer.from(sorted.map((each) => `${each.stanza.trimEnd()}\n\n`).join(''), 'utf8');
}

/** Reads an index's text back into its groups. */
export function groupsOfText(text: Buffer): Group[] {
  const groups: Group[] = [];
  let at = 0;
  while (at < text.length) {
    const end = endOfStanza(text, at);
    const name = stanzaName(text, at);
    const last = groups.at(-1);
    // Stanzas of one name stand together, so the group grows in place.
    if (last?.name === name) last.text = text.subarray(last.text.byteOffset - text.byteOffset, end);
    else groups.push({ name, text: text.subarray(at, end) });
    at = end;
  }
  return groups;
}

function endOfStanza(text: Buffer, from: number): number {
  const blank = text.indexOf('\n\n', from);
  return blank < 0 ? text.length : blank + 2;
}

/** The value of the first field: Package in both kinds of index. */
function stanzaName(text: Buffer, from: number): string {
  const lineEnd = text.indexOf('\n', from);
  const line = text.toString('utf8', from, lineEnd < 0 ? text.length : lineEnd);
  return line.slice(line.indexOf(':') + 1).trim();
}
