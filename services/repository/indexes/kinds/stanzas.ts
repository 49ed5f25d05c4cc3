/** Indexes of stanzas, keyed by package name: Packages, Sources, Translation-en. */
import { compareNames, type Group } from '../chunks/chunked-index.ts';
import type { IndexKind, Packages } from './kind.ts';
import type { IndexedPackage, IndexScope } from './scope.ts';

/** Names per chunk, on average: some 130 kB of Packages, which xz packs in a tenth of a second. */
const NAMES_PER_CHUNK = 128;

export interface StanzaKind extends Pick<IndexKind, 'name' | 'pathsOf' | 'standing' | 'families'> {
  /** A package's stanza, without the empty line after it; null when it has none here. */
  render: (each: IndexedPackage, scope: IndexScope) => string | null;
}

/** Completes a kind whose indexes consist of stanzas that begin with `Package`. */
export function stanzaKind({ render, ...kind }: StanzaKind): IndexKind {
  return {
    ...kind,
    keysPerChunk: NAMES_PER_CHUNK,
    groupsOf: groupsOfText,
    forms: (offered) => offered,
    async *groups(packages, { scope }) {
      for await (const [name, own] of together(packages)) {
        const text = groupText(own, (each) => render(each, scope));
        if (text) yield { name, text };
      }
    },
    edits: ({ changed, after }, { scope }) => {
      const own = Map.groupBy(after, (each) => each.name);
      const names = new Set(changed.map((each) => each.name));
      const edits = [...names].map((name) => {
        return [name, groupText(own.get(name) ?? [], (each) => render(each, scope))] as const;
      });
      return Promise.resolve(new Map(edits));
    },
  };
}

/** Packages of one name, which follow each other. */
async function* together(packages: Packages): AsyncGenerator<[string, IndexedPackage[]]> {
  let own: IndexedPackage[] = [];
  for await (const each of packages) {
    const name = own[0]?.name;
    if (name !== undefined && name !== each.name) {
      yield [name, own];
      own = [];
    }
    own.push(each);
  }
  if (own[0]) yield [own[0].name, own];
}

/** Each stanza once, in the order of versions and architectures as words; null for none. */
function groupText(
  packages: readonly IndexedPackage[],
  render: (each: IndexedPackage) => string | null,
): Buffer | null {
  const sorted = packages.toSorted(
    (a, b) => compareNames(a.version, b.version) || compareNames(a.architecture, b.architecture),
  );
  const stanzas = new Set(sorted.map((each) => render(each)?.trimEnd()));
  stanzas.delete(undefined);
  return stanzas.size === 0 ? null : Buffer.from([...stanzas].map((each) => `${each ?? ''}\n\n`).join(''));
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

/** The value of the first field: Package in all these indexes. */
function stanzaName(text: Buffer, from: number): string {
  const lineEnd = text.indexOf('\n', from);
  const line = text.toString('utf8', from, lineEnd < 0 ? text.length : lineEnd);
  return line.slice(line.indexOf(':') + 1).trim();
}
