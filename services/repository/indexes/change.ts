/**
 * Writes an index from the one before it: what the chunks that stay have in each file is stitched to what the new
 * ones have. New text goes behind the text's file, which generations share until it is put in order anew.
 */
import { link, mkdir, open, rename } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Chunk } from './chunks/chunked-index.ts';
import { FORMS, type FormName, type Packed } from './forms/form.ts';
import { textFileSize, type ChunkPlace, type IndexEntry } from './state.ts';
import type { FileSums, Operation, Range } from './stitch/stitch.ts';
import { stitchAside } from './stitch/stitchers.ts';
import { placeOf, publishFile, tailOf, textFileName, type Index, type WriteOptions } from './write.ts';

/** Text that nothing points to any more, beyond as much again as the index has. */
const MAX_WASTE_BYTES = 4 * 1024 * 1024;

/** An index as it was, and where it lies. */
export interface Before {
  entry: IndexEntry;
  generation: string;
  stateFolder: string;
}

/** A chunk that stays, or one that comes. */
export type ChangedChunk = ChunkPlace | Chunk;

/** Writes all forms. Throws `index-stale` when a file is not what it was. */
export async function changeIndex(
  index: Index,
  before: Before,
  after: readonly ChangedChunk[],
  options: WriteOptions,
): Promise<IndexEntry> {
  const file = path.join(options.generation, index.path);
  await mkdir(path.dirname(file), { recursive: true });
  const places = await appendText(before, after, options);
  const job = { dateMs: options.date.getTime(), withMd5: options.offer.md5 };
  const [plain, ...packed] = await Promise.all([
    stitchAside({ ...job, ...textJob(before, after), target: options.offer.plain ? file : null }),
    ...index.forms.map(async (form) => {
      const target = file + FORMS[form].ending;
      const sums = await stitchAside({ ...job, ...formJob(form, before, after, places), target });
      await publishFile(target, sums, options.date);
      return [form, sums] as const;
    }),
  ]);
  if (options.offer.plain) await publishFile(file, plain, options.date);
  const forms = Object.fromEntries(packed) as IndexEntry['forms'];
  const entry = { path: index.path, kind: index.kind, chunks: places, plain, forms };
  return putInOrder({ ...entry, textFile: textFileName(options.ordinal) }, options);
}

/** Links the text's file into the new state and writes new text behind it; returns where each chunk lies. */
async function appendText(
  before: Before,
  after: readonly ChangedChunk[],
  options: WriteOptions,
): Promise<ChunkPlace[]> {
  const file = path.join(options.stateFolder, textFileName(options.ordinal));
  await link(path.join(before.stateFolder, before.entry.textFile), file).catch((cause: unknown) => {
    throw new AppError('index-stale', `The text of ${before.entry.path} is not there`, { cause });
  });
  const handle = await open(file, 'r+');
  try {
    // What a publish that was cut off left there belongs to nobody.
    let end = textFileSize(before.entry);
    const places: ChunkPlace[] = [];
    for (const chunk of after) {
      if (isPlace(chunk)) {
        places.push(chunk);
        continue;
      }
      const { bytesWritten } = await handle.write(chunk.text, 0, chunk.text.length, end);
      if (bytesWritten !== chunk.text.length) throw new AppError('index-not-written', `${file} is cut short`);
      places.push(placeOf(chunk, end));
      end += chunk.text.length;
    }
    return places;
  } finally {
    await handle.close();
  }
}

type Job = { source: string; operations: Operation[]; expected: string };

function textJob({ entry, stateFolder }: Before, after: readonly ChangedChunk[]): Job {
  const operations = operationsOf(entry.chunks, after, textRange, (chunk) => chunk.text);
  return { source: path.join(stateFolder, entry.textFile), operations, expected: entry.plain.sha256 };
}

function textRange({ at, text }: ChunkPlace): Range {
  return { from: at, length: text };
}

function formJob(
  form: FormName,
  { entry, generation }: Before,
  after: readonly ChangedChunk[],
  places: readonly ChunkPlace[],
): Job {
  const { header, lengthOf, ending } = FORMS[form];
  let end = header().length;
  const ranges = new Map<ChunkPlace, Range>();
  for (const place of entry.chunks) {
    const length = lengthOf(place.packed[form] ?? 0);
    ranges.set(place, { from: end, length });
    end += length;
  }
  const { size, sha256 } = entry.forms[form] as FileSums;
  const operations: Operation[] = [
    { keep: { from: 0, length: header().length } },
    ...operationsOf(
      entry.chunks,
      after,
      (place) => ranges.get(place) as Range,
      (chunk) => (chunk.packed[form] as Packed).bytes,
    ),
    { drop: { from: end, length: size - end } },
    { put: tailOf(form, places) },
  ];
  return { source: path.join(generation, entry.path + ending), operations, expected: sha256 };
}

/** What to do with the old content, in order; ranges that follow each other become one. */
function operationsOf(
  before: readonly ChunkPlace[],
  after: readonly ChangedChunk[],
  rangeOf: (place: ChunkPlace) => Range,
  bytesOf: (chunk: Chunk) => Uint8Array,
): Operation[] {
  const operations: Operation[] = [];
  let next = 0;
  const take = (kind: 'keep' | 'drop', place: ChunkPlace): void => {
    const range = rangeOf(place);
    const last = operations.at(-1);
    const own = last && kind in last ? (last as Record<typeof kind, Range>)[kind] : undefined;
    if (own && own.from + own.length === range.from) own.length += range.length;
    else operations.push(kind === 'keep' ? { keep: { ...range } } : { drop: { ...range } });
    next += 1;
  };
  for (const chunk of after) {
    if (!isPlace(chunk)) {
      operations.push({ put: bytesOf(chunk) });
      continue;
    }
    while (next < before.length && before[next] !== chunk) take('drop', before[next] as ChunkPlace);
    take('keep', chunk);
  }
  while (next < before.length) take('drop', before[next] as ChunkPlace);
  return operations;
}

function isPlace(chunk: ChangedChunk): chunk is ChunkPlace {
  return 'at' in chunk;
}

/** Writes the text's file anew, in order, when most of it is of no use any more. */
async function putInOrder(entry: IndexEntry, options: WriteOptions): Promise<IndexEntry> {
  const size = textFileSize(entry);
  if (size <= 2 * entry.plain.size + MAX_WASTE_BYTES) return entry;
  const source = path.join(options.stateFolder, entry.textFile);
  const target = `${source}.new`;
  const operations = entry.chunks.map(({ at, text }) => ({ keep: { from: at, length: text } }));
  const job = { source, operations, target, expected: entry.plain.sha256, withMd5: false };
  await stitchAside({ ...job, dateMs: options.date.getTime() });
  await rename(target, source);
  let end = 0;
  const chunks = entry.chunks.map((place) => {
    const at = end;
    end += place.text;
    return { ...place, at };
  });
  return { ...entry, chunks };
}
