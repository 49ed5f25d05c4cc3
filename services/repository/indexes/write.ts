/** Writes one index of a generation in all its forms from nothing, each also under its sum. */
import { link, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import type { Chunk } from './chunks/chunked-index.ts';
import { FORMS, type FormName, type Packed } from './forms/form.ts';
import { formsOf, textFileSize, type ChunkPlace, type IndexEntry } from './state.ts';
import { DIFF_ENDING, reuseDiffs } from './pdiff/diff-index.ts';
import { countLines } from './pdiff/edit-script.ts';
import { linkByHash, publishFile } from './publish-file.ts';
import { FileWriter } from './stitch/file-writer.ts';
import type { FileSums } from './stitch/run-job.ts';

/** How the indexes of an archive are offered. */
export interface Offer {
  compression: readonly FormName[];
  /** The uncompressed indexes too, for clients that can read nothing else. */
  plain: boolean;
  /** MD5 sums in Release, for clients that know nothing else. */
  md5: boolean;
  /** Patches from one generation to the next, for clients that have Acquire::PDiffs. */
  pdiffs?: boolean;
}

export interface Index {
  path: string;
  /** Name of its kind. */
  kind: string;
  forms: readonly FormName[];
}

export interface WriteOptions {
  /** The generation's folder, nobody's yet, so nothing here is renamed. */
  generation: string;
  /** Where the text is kept. */
  stateFolder: string;
  /** Number of the text's file there. */
  ordinal: number;
  offer: Offer;
  /** Modification time of what is written. */
  date: Date;
}

/** The text's file of the index of that number in a state's folder. */
export function textFileName(ordinal: number): string {
  return `${String(ordinal)}.text`;
}

/** Writes the published forms, durably, and the text beside the state, which is only a cache. */
export async function writeIndex(
  index: Index,
  chunks: Iterable<Chunk> | AsyncIterable<Chunk>,
  options: WriteOptions,
): Promise<IndexEntry> {
  const { offer, date } = options;
  const published = path.join(options.generation, index.path);
  await mkdir(path.dirname(published), { recursive: true });
  const textFile = textFileName(options.ordinal);
  const writers = await Writers.open(index, published, path.join(options.stateFolder, textFile), offer);
  try {
    const places: ChunkPlace[] = [];
    for await (const chunk of chunks) places.push(await writers.write(chunk));
    const { plain, forms } = await writers.end(places);
    if (offer.plain) await publishFile(published, plain, date);
    for (const form of index.forms) {
      await publishFile(published + FORMS[form].ending, forms[form] as FileSums, date);
    }
    return { path: index.path, kind: index.kind, textFile, chunks: places, plain, forms, diffs: null };
  } finally {
    await writers.close();
  }
}

/** The text, the published text if there is one, and each form. */
class Writers {
  readonly #text: FileWriter;
  readonly #plain: FileWriter | null;
  readonly #forms: readonly { form: FormName; writer: FileWriter }[];

  private constructor(
    text: FileWriter,
    plain: FileWriter | null,
    forms: { form: FormName; writer: FileWriter }[],
  ) {
    this.#text = text;
    this.#plain = plain;
    this.#forms = forms;
  }

  static async open(index: Index, published: string, textFile: string, offer: Offer): Promise<Writers> {
    const text = await FileWriter.open(textFile, offer.md5);
    const plain = offer.plain ? await FileWriter.open(published, false) : null;
    const forms: { form: FormName; writer: FileWriter }[] = [];
    for (const form of index.forms) {
      const writer = await FileWriter.open(published + FORMS[form].ending, offer.md5);
      await writer.write(FORMS[form].header());
      forms.push({ form, writer });
    }
    return new Writers(text, plain, forms);
  }

  async write(chunk: Chunk): Promise<ChunkPlace> {
    const place = placeOf(chunk, this.#text.size);
    await this.#text.write(chunk.text);
    await this.#plain?.write(chunk.text);
    for (const { form, writer } of this.#forms) await writer.write((chunk.packed[form] as Packed).bytes);
    return place;
  }

  async end(places: readonly ChunkPlace[]): Promise<Pick<IndexEntry, 'plain' | 'forms'>> {
    const plain = await this.#text.end(false);
    await this.#plain?.end(true);
    const forms: IndexEntry['forms'] = {};
    for (const { form, writer } of this.#forms) {
      await writer.write(tailOf(form, places));
      forms[form] = await writer.end(true);
    }
    return { plain, forms };
  }

  async close(): Promise<void> {
    for (const writer of [this.#text, this.#plain, ...this.#forms.map((each) => each.writer)]) {
      await writer?.close();
    }
  }
}

/** What is remembered of a chunk whose text begins at `at`. */
export function placeOf({ first, text, packed }: Chunk, at: number): ChunkPlace {
  const sizes = Object.entries(packed).map(([form, { size }]) => [form, size]);
  return {
    first,
    at,
    text: text.length,
    lines: countLines(text),
    packed: Object.fromEntries(sizes) as ChunkPlace['packed'],
  };
}

/** What stands behind the chunks. */
export function tailOf(form: FormName, places: readonly ChunkPlace[]): Buffer {
  return FORMS[form].tail(places.map(({ text, packed }) => ({ size: packed[form] ?? 0, textSize: text })));
}

/** Takes an index over from the generation before, without a byte read or written. */
export async function reuseIndex(
  entry: IndexEntry,
  from: { generation: string; stateFolder: string },
  options: WriteOptions,
): Promise<IndexEntry> {
  for (const [ending, sums] of publishedFiles(entry, options.offer)) {
    const name = entry.path + ending;
    const file = path.join(options.generation, name);
    await mkdir(path.dirname(file), { recursive: true });
    await link(path.join(from.generation, name), file);
    await linkByHash(file, sums.sha256);
  }
  const textFile = textFileName(options.ordinal);
  await link(path.join(from.stateFolder, entry.textFile), path.join(options.stateFolder, textFile));
  const diffs = options.offer.pdiffs === true ? entry.diffs : null;
  await reuseDiffs({ ...entry, diffs }, from.generation, options);
  return { ...entry, textFile, diffs };
}

/** True when everything that {@link reuseIndex} takes over is there, by size. */
export async function canReuse(
  entry: IndexEntry,
  from: { generation: string; stateFolder: string },
  offer: Offer,
): Promise<boolean> {
  const sizes = await Promise.all(
    publishedFiles(entry, offer).map(async ([ending, { size }]) => {
      const found = await stat(path.join(from.generation, entry.path + ending)).catch(() => null);
      return found?.size === size;
    }),
  );
  const text = await stat(path.join(from.stateFolder, entry.textFile)).catch(() => null);
  return sizes.every(Boolean) && text !== null && text.size >= textFileSize(entry);
}

/** What Release lists of an index: the text always, since clients check what they unpack. */
export function releaseEntries(entry: IndexEntry): ReleaseIndex[] {
  const files = publishedFiles(entry, { plain: true });
  if (entry.diffs) files.push([`${DIFF_ENDING}/Index`, entry.diffs.index]);
  return files.map(([ending, { size, sha256, md5 }]) => {
    return { path: entry.path + ending, size, sha256, ...(md5 === null ? {} : { md5 }) };
  });
}

/** The files of an index by what they end in. */
function publishedFiles(entry: IndexEntry, offer: Pick<Offer, 'plain'>): [string, FileSums][] {
  const packed = formsOf(entry).map(([form, sums]): [string, FileSums] => [FORMS[form].ending, sums]);
  return offer.plain ? [['', entry.plain], ...packed] : packed;
}
