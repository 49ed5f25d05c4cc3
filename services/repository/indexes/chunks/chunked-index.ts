/**
 * An index as sorted chunks, each with its gzip member and its xz block beside it, so that a change
 * compresses the chunks it touches and no others. Where chunks begin depends on the names in the index alone,
 * never on its history: an index that was changed a thousand times has the same bytes as one made anew.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { compressBlocks } from './xz.ts';

/** Everything an index says under one name: a package's stanzas, each with the empty line behind it. */
export interface Group {
  name: string;
  text: Buffer;
}

export interface Chunk {
  /** Its first group's name. */
  first: string;
  text: Buffer;
  /** One gzip member. */
  gz: Buffer;
  /** One xz block, padded. */
  xz: Buffer;
  unpaddedSize: number;
}

/** Names per chunk, on average: some 130 kB of Packages, which xz packs in a tenth of a second. */
const NAMES_PER_CHUNK = 128;
/** apt reads any level; 9 costs a little more time once and saves every client's. */
const GZIP_LEVEL = 9;
const gzipAsync = promisify(gzip);

/** True where a chunk begins. FNV-1a over the name: stable for ever, even over all names. */
export function isBoundary(name: string): boolean {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  }
  // The low bits of names that differ in the last letter only follow each other; mix them.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return (hash >>> 8) % NAMES_PER_CHUNK === 0;
}

/** By code units, as the groups of every index are sorted. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Makes the chunks of sorted groups; none for none. */
export async function makeChunks(groups: readonly Group[]): Promise<Chunk[]> {
  return compress(split(groups));
}

/**
 * The chunks after `changes`: a name's new text, or null when it leaves. `groupsOf` reads a chunk's text back
 * into groups. Untouched chunks are the same objects.
 */
export async function changeChunks(
  chunks: readonly Chunk[],
  changes: ReadonlyMap<string, Buffer | null>,
  groupsOf: (text: Buffer) => Group[],
): Promise<Chunk[]> {
  const touched = touchedChunks(chunks, changes);
  const spans: { kept: Chunk[]; plain: Plain[] }[] = [];
  const firstAfter = (at: number): string | undefined => chunks[at]?.first;
  for (let at = 0; at < Math.max(chunks.length, 1);) {
    if (chunks.length > 0 && !touched.has(at)) {
      spans.push({ kept: [chunks[at] as Chunk], plain: [] });
      at += 1;
      continue;
    }
    let end = at;
    while (touched.has(end)) end += 1;
    end = Math.max(end, at + 1);
    const groups = chunks.slice(at, end).flatMap((chunk) => groupsOf(chunk.text));
    const from = at === 0 ? undefined : firstAfter(at);
    const until = firstAfter(end);
    spans.push({ kept: [], plain: split(merge(groups, changes, from, until)) });
    at = end;
  }
  const made = await compress(spans.flatMap((span) => span.plain));
  let next = 0;
  return spans.flatMap((span) => {
    const own = made.slice(next, next + span.plain.length);
    next += span.plain.length;
    return [...span.kept, ...own];
  });
}

interface Plain {
  first: string;
  text: Buffer;
}

function split(groups: readonly Group[]): Plain[] {
  const parts: Group[][] = [];
  for (const group of groups) {
    const current = parts.at(-1);
    if (!current || isBoundary(group.name)) parts.push([group]);
    else current.push(group);
  }
  return parts.map((part) => ({
    first: part[0]?.name ?? '',
    text: Buffer.concat(part.map((group) => group.text)),
  }));
}

/**
 * Numbers of the chunks that a change falls into. A chunk whose own beginning may leave takes the one before
 * along, since they may become one.
 */
function touchedChunks(chunks: readonly Chunk[], changes: ReadonlyMap<string, Buffer | null>): Set<number> {
  const touched = new Set<number>();
  if (chunks.length === 0) touched.add(0);
  for (const [name, text] of changes) {
    const at = chunkOf(chunks, name);
    touched.add(at);
    if (text === null && at > 0 && chunks[at]?.first === name) touched.add(at - 1);
  }
  return touched;
}

/** The last chunk whose first name is not after `name`; the first one for what comes before all. */
function chunkOf(chunks: readonly Chunk[], name: string): number {
  let low = 0;
  let high = chunks.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (compareNames((chunks[middle] as Chunk).first, name) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The groups with the changes of names in [from, until). */
function merge(
  groups: readonly Group[],
  changes: ReadonlyMap<string, Buffer | null>,
  from: string | undefined,
  until: string | undefined,
): Group[] {
  const merged = new Map(groups.map((group) => [group.name, group.text]));
  for (const [name, text] of changes) {
    const isHere =
      (from === undefined || compareNames(name, from) >= 0) &&
      (until === undefined || compareNames(name, until) < 0);
    if (!isHere) continue;
    if (text === null) merged.delete(name);
    else merged.set(name, text);
  }
  return [...merged].map(([name, text]) => ({ name, text })).sort((a, b) => compareNames(a.name, b.name));
}

async function compress(plain: readonly Plain[]): Promise<Chunk[]> {
  if (plain.length === 0) return [];
  const texts = plain.map((each) => each.text);
  const [members, blocks] = await Promise.all([
    Promise.all(texts.map((text) => gzipAsync(text, { level: GZIP_LEVEL }))),
    compressBlocks(texts),
  ]);
  return plain.map(({ first, text }, at) => {
    const block = blocks[at];
    const gz = members[at];
    if (!block || !gz) throw new Error('a chunk was not compressed');
    return { first, text, gz, xz: block.bytes, unpaddedSize: block.unpaddedSize };
  });
}
