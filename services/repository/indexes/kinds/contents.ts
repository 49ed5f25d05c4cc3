/**
 * `Contents-<arch>`: a line a path, with every package that holds it, as apt-file reads them. A path's line
 * belongs to several packages, so a change edits the lines of its own packages' paths and no others.
 */
import { compareNames, type Edit, type Group } from '../chunks/chunked-index.ts';
import { forEachBatch } from './batches.ts';
import { sortedLines } from './contents-sort.ts';
import type { IndexChange, IndexKind, KindContext } from './kind.ts';
import {
  debugComponents,
  indexedArchitectures,
  indexedComponent,
  type IndexedName,
  type IndexedPackage,
  type IndexScope,
} from './scope.ts';

/** Lines per chunk, on average: a package's paths fall into many chunks, so these are smaller than others. */
const LINES_PER_CHUNK = 256;
/** Where apt-ftparchive begins the second column, with tabs of eight as far as they go. */
const LOCATION_COLUMN = 60;
const TAB = 8;

interface ContentsKind extends Pick<IndexKind, 'name' | 'pathsOf' | 'standing' | 'families'> {
  /** What stands behind a path: `utils/hello`. */
  locationOf: (each: IndexedPackage) => string;
}

function contentsKind({ locationOf, ...kind }: ContentsKind): IndexKind {
  return {
    ...kind,
    keysPerChunk: LINES_PER_CHUNK,
    groupsOf: linesOfText,
    // Readers of Contents know gz; others only where an archive has no gz.
    forms: (offered) => (offered.includes('gz') ? ['gz'] : offered.slice(0, 1)),
    async *groups(packages, context) {
      for await (const [path, locations] of sortedLines(packages, { ...context, locationOf })) {
        yield { name: path, text: contentsLine(path, locations) };
      }
    },
    edits: (change, context) => editsOf(change, context, locationOf),
  };
}

/** The line of a path; both are bytes in latin1, locations sorted. */
export function contentsLine(path: string, locations: readonly string[]): Buffer {
  let padding = '';
  let column = path.length;
  const target = Math.max(LOCATION_COLUMN, column + 1);
  for (let next = column - (column % TAB) + TAB; next < target; next += TAB) {
    padding += '\t';
    column = next;
  }
  padding += ' '.repeat(target - column);
  return Buffer.from(`${path}${padding}${locations.join(',')}\n`, 'latin1');
}

const LINE = /^(.*?)[ \t]+([^ \t]+)$/s;

/** The path and the locations of a line without its end. */
function parseLine(line: string): { path: string; locations: string[] } {
  const [, path = '', locations = ''] = LINE.exec(line) ?? [];
  return { path, locations: locations.split(',') };
}

function linesOfText(text: Buffer): Group[] {
  const groups: Group[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(10, at) + 1;
    groups.push({ name: parseLine(text.toString('latin1', at, end - 1)).path, text: text.subarray(at, end) });
    at = end;
  }
  return groups;
}

/** Takes the changed packages off the lines of their paths, and puts on what is there afterwards. */
async function editsOf(
  { changed, after }: IndexChange,
  { fileLists }: KindContext,
  locationOf: (each: IndexedPackage) => string,
): Promise<ReadonlyMap<string, Edit>> {
  const lines = new Map<string, { names: Set<string>; locations: Set<string> }>();
  await forEachBatch(changed, fileLists, (each, paths) => {
    for (const path of paths) {
      const line = lines.get(path) ?? { names: new Set(), locations: new Set() };
      lines.set(path, line);
      line.names.add(each.name);
    }
  });
  await forEachBatch(after, fileLists, (each, paths) => {
    const location = locationOf(each);
    for (const path of paths) {
      lines.get(path)?.locations.add(location);
    }
  });
  return new Map([...lines].map(([path, { names, locations }]) => [path, editLine(path, names, locations)]));
}

function editLine(path: string, names: ReadonlySet<string>, locations: ReadonlySet<string>): Edit {
  return (text) => {
    const before = text === null ? [] : parseLine(text.toString('latin1', 0, text.length - 1)).locations;
    const kept = before.filter((each) => !names.has(each.slice(each.lastIndexOf('/') + 1)));
    const all = [...new Set([...kept, ...locations])].sort(compareNames);
    return all.length === 0 ? null : contentsLine(path, all);
  };
}

const SECTION = '\nSection: ';

/** `utils/hello`, or the name alone for a package without a section. */
function sectionAndName(each: IndexedPackage): string {
  const at = each.stanza.indexOf(SECTION);
  if (at < 0) return each.name;
  const start = at + SECTION.length;
  const end = each.stanza.indexOf('\n', start);
  // What would end the word is no section (Policy 2.4), whatever a package says.
  const section = each.stanza.slice(start, end < 0 ? undefined : end).replaceAll(/[^A-Za-z0-9_./+-]/g, '');
  return section === '' ? each.name : `${section}/${each.name}`;
}

function allPaths(component: string, prefix: string, scope: IndexScope): string[] {
  return scope.architectures.map((architecture) => `${component}/${prefix}${architecture}`);
}

function pathsFor(kind: IndexedName['kind'], prefix: string) {
  return (each: IndexedName, scope: IndexScope): string[] => {
    const component = scope.contents && each.kind === kind ? indexedComponent(each, scope) : null;
    if (component === null) return [];
    return indexedArchitectures(each, scope).map((architecture) => `${component}/${prefix}${architecture}`);
  };
}

const PREFIX = 'Contents-';

export const contentsDebKind = contentsKind({
  name: 'contents',
  pathsOf: pathsFor('deb', PREFIX),
  standing: (scope) =>
    scope.contents ? scope.components.flatMap((component) => allPaths(component, PREFIX, scope)) : [],
  families: (scope) =>
    scope.contents ? debugComponents(scope).map((component) => allPaths(component, PREFIX, scope)) : [],
  locationOf: sectionAndName,
});

const UDEB_PREFIX = 'Contents-udeb-';

export const contentsUdebKind = contentsKind({
  name: 'contents-udeb',
  pathsOf: pathsFor('udeb', UDEB_PREFIX),
  standing: () => [],
  families: (scope) =>
    scope.contents ? scope.components.map((component) => allPaths(component, UDEB_PREFIX, scope)) : [],
  locationOf: sectionAndName,
});

const SOURCE_NAME = 'Contents-source';

export const contentsSourceKind = contentsKind({
  name: 'contents-source',
  pathsOf: (each, scope) => {
    const component = scope.contentsSource && each.kind === 'source' ? indexedComponent(each, scope) : null;
    return component === null ? [] : [`${component}/${SOURCE_NAME}`];
  },
  standing: (scope) =>
    scope.contentsSource ? scope.components.map((component) => `${component}/${SOURCE_NAME}`) : [],
  families: () => [],
  locationOf: (each) => each.name,
});
