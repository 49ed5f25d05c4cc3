/**
 * An index as sorted chunks, each with its packed forms beside it, so that a change compresses the chunks it
 * touches and no others. Where chunks begin depends on the keys in the index alone, never on its history: an
 * index that was changed a thousand times has the same bytes as one made anew. It depends on those of one segment,
 * too: a change looks no further.
 */
import { FORM_NAMES, FORMS, type FormName, type Packed } from '../forms/form.ts';

/** Everything an index says under one key: a package's stanzas with the empty line behind each, or a path's line. */
export interface Group {
  name: string;
  text: Buffer;
}

/** What comes under a key: its new text, null when it leaves, or what makes one of the other. */
export type Edit = Buffer | null | ((text: Buffer | null) => Buffer | null);

/** A piece of the text, not packed yet. */
export interface PlainChunk {
  /** Its first group's key. */
  first: string;
  text: Buffer;
}

export type PackedForms = Partial<Record<FormName, Packed>>;

export interface Chunk extends PlainChunk {
  packed: PackedForms;
}

/** How one kind of index is cut and packed. */
export interface ChunkRules {
  /** On average. */
  keysPerChunk: number;
  forms: readonly FormName[];
  /** Reads a chunk's text back into groups. */
  groupsOf(text: Buffer): Group[];
}

/** Packed in one go: bounds the memory, and feeds a compressor of several threads. */
const CHUNKS_PER_PACKING = 24;

/** Chunks in a segment, on average: a change reads a segment to see where its chunks begin now. */
const CHUNKS_PER_SEGMENT = 4;

/** FNV-1a over the key, mixed: stable for ever, even over all keys. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  }
  // The low bits of names that differ in the last letter only follow each other; mix them.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return hash >>> 8;
}

/** True for a key that begins a segment wherever it stands: what comes before it says nothing of what comes after. */
export function isSegmentStart(name: string, keysPerChunk: number): boolean {
  return hashOf(name) % (keysPerChunk * CHUNKS_PER_SEGMENT) === 0;
}

/**
 * True when a chunk ends before this key, having `keys` so far. Chance alone would make chunks of many times the
 * average, and those are touched most: within a segment one ends soon after it has keys enough.
 */
function isBoundary(name: string, keys: number, keysPerChunk: number): boolean {
  const hash = hashOf(name);
  if (hash % (keysPerChunk * CHUNKS_PER_SEGMENT) === 0) return true;
  const least = Math.ceil((keysPerChunk * 5) / 8);
  return keys >= least && hash % Math.max(1, keysPerChunk - least) === 0;
}

/** By code units, as the groups of every index are sorted. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Makes the chunks of sorted groups, in order; none for none. */
export async function* makeChunks(
  groups: Iterable<Group> | AsyncIterable<Group>,
  rules: ChunkRules,
): AsyncGenerator<Chunk> {
  let waiting: PlainChunk[] = [];
  // One batch is packed, by other processors, while the one before is written and the next one put together.
  let under: Promise<Chunk[]> = Promise.resolve([]);
  for await (const plain of split(groups, rules)) {
    waiting.push(plain);
    if (waiting.length < CHUNKS_PER_PACKING) continue;
    const done = await under;
    under = packed(waiting, rules);
    under.catch(() => undefined); // told when it is its turn
    waiting = [];
    yield* done;
  }
  yield* await under;
  yield* await packed(waiting, rules);
}

/**
 * The chunks after `edits`, by key; `textOf` reads those of a segment that an edit falls into. Chunks that stay as
 * they are are the same objects, in the same order; new ones are to be packed.
 */
export async function changeChunks<T extends Pick<Chunk, 'first'>>(
  chunks: readonly T[],
  edits: ReadonlyMap<string, Edit>,
  rules: ChunkRules,
  textOf: (chunk: T) => Buffer | Promise<Buffer>,
): Promise<(T | PlainChunk)[]> {
  const sorted = [...edits].sort(([a], [b]) => compareNames(a, b));
  const changed: (T | PlainChunk)[] = [];
  for (const { from, end, isTouched } of runsOf(chunks, edits, rules)) {
    const old = chunks.slice(from, end);
    if (!isTouched) {
      changed.push(...old);
      continue;
    }
    const texts = await Promise.all(old.map(async (chunk) => textOf(chunk)));
    const groups = texts.flatMap((text) => rules.groupsOf(text));
    const own = takeUntil(sorted, chunks[end]?.first);
    for await (const each of split(merge(groups, own), rules)) {
      const same = old.findIndex((chunk, at) => chunk.first === each.first && texts[at]?.equals(each.text));
      changed.push(old[same] ?? each);
    }
  }
  return changed;
}

/** Chunks `from` to `end` that are looked at together. */
interface Run {
  from: number;
  end: number;
  isTouched: boolean;
}

/** Segments; one whose own beginning may leave together with the one before it, since they may become one. */
function runsOf(
  chunks: readonly Pick<Chunk, 'first'>[],
  edits: ReadonlyMap<string, Edit>,
  { keysPerChunk }: ChunkRules,
): Run[] {
  if (chunks.length === 0) return [{ from: 0, end: 0, isTouched: true }];
  const touched = new Set([...edits.keys()].map((name) => chunkOf(chunks, name)));
  const runs: Run[] = [];
  for (const [at, { first }] of chunks.entries()) {
    const run = runs.at(-1);
    const edit = edits.get(first);
    const mayLeave = edit !== undefined && !Buffer.isBuffer(edit);
    if (!run || (isSegmentStart(first, keysPerChunk) && !mayLeave)) {
      runs.push({ from: at, end: at + 1, isTouched: touched.has(at) });
    } else {
      run.end = at + 1;
      run.isTouched ||= touched.has(at);
    }
  }
  return runs;
}

async function* split(
  groups: Iterable<Group> | AsyncIterable<Group>,
  { keysPerChunk }: ChunkRules,
): AsyncGenerator<PlainChunk> {
  let part: Group[] = [];
  for await (const group of groups) {
    if (part.length > 0 && isBoundary(group.name, part.length, keysPerChunk)) {
      yield joined(part);
      part = [];
    }
    part.push(group);
  }
  if (part.length > 0) yield joined(part);
}

function joined(part: readonly Group[]): PlainChunk {
  return { first: part[0]?.name ?? '', text: Buffer.concat(part.map((group) => group.text)) };
}

/** The last chunk whose first key is not after `name`; the first one for what comes before all. */
function chunkOf(chunks: readonly Pick<Chunk, 'first'>[], name: string): number {
  let low = 0;
  let high = chunks.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (compareNames((chunks[middle] as Chunk).first, name) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Takes the edits of keys before `until` from the front of `sorted`. */
function takeUntil(sorted: [string, Edit][], until: string | undefined): [string, Edit][] {
  const after = sorted.findIndex(([name]) => until !== undefined && compareNames(name, until) >= 0);
  return sorted.splice(0, after < 0 ? sorted.length : after);
}

function merge(groups: readonly Group[], edits: readonly [string, Edit][]): Group[] {
  const merged = new Map(groups.map((group) => [group.name, group.text]));
  for (const [name, edit] of edits) {
    const text = typeof edit === 'function' ? edit(merged.get(name) ?? null) : edit;
    if (text === null) merged.delete(name);
    else merged.set(name, text);
  }
  return [...merged].map(([name, text]) => ({ name, text })).sort((a, b) => compareNames(a.name, b.name));
}

/** Chunks in their forms, by chunk. */
export class PackedChunks {
  readonly #made = new Map<PlainChunk, PackedForms>();

  add(chunk: PlainChunk, form: FormName, piece: Packed | undefined): void {
    this.#made.set(chunk, { ...this.#made.get(chunk), [form]: piece });
  }

  /** Throws for a chunk that was not packed: a file without it would have sums that are right. */
  of(chunk: PlainChunk): PackedForms {
    const forms = this.#made.get(chunk);
    if (!forms) throw new Error('a chunk was not packed');
    return forms;
  }

  bytes(chunk: PlainChunk, form: FormName): Buffer {
    const piece = this.of(chunk)[form];
    if (!piece) throw new Error(`a chunk was not packed as ${form}`);
    return piece.bytes;
  }
}

/** Each chunk in the forms that `formsOf` wants for it, each form in one go: many small runs would take longer. */
export async function packChunks(
  chunks: readonly PlainChunk[],
  formsOf: (chunk: PlainChunk) => readonly FormName[],
): Promise<PackedChunks> {
  const made = new PackedChunks();
  const each = FORM_NAMES.map(async (form) => {
    const own = chunks.filter((chunk) => formsOf(chunk).includes(form));
    if (own.length === 0) return;
    const pieces = await FORMS[form].pack(own.map((chunk) => chunk.text));
    for (const [at, chunk] of own.entries()) made.add(chunk, form, pieces[at]);
  });
  await Promise.all(each);
  return made;
}

async function packed(chunks: readonly PlainChunk[], { forms }: ChunkRules): Promise<Chunk[]> {
  const made = await packChunks(chunks, () => forms);
  return chunks.map((chunk) => ({ ...chunk, packed: made.of(chunk) }));
}
