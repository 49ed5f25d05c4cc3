/**
 * Writes an index from the one before it: what the chunks that stay have in each file is stitched to what the new
 * ones have. New text goes behind the text's file, which generations share until it is put in order anew.
 */
import { link, mkdir, open, rename } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Group, PackedChunks, PlainChunk } from './chunks/chunked-index.ts';
import { FORMS } from './forms/form.ts';
import { writeDiffs } from './pdiff/diff-index.ts';
import { formJob, isPlace, textJob, type Before, type ChangedChunk } from './operations.ts';
import { textFileSize, type IndexEntry } from './state.ts';
import { stitch } from './stitch/stitch.ts';
import { publishFile } from './publish-file.ts';
import { placeOf, textFileName, type Index, type WriteOptions } from './write.ts';

/** Text that nothing points to any more, beyond as much again as the index has. */
const MAX_WASTE_BYTES = 4 * 1024 * 1024;

export interface Changed {
  before: Before;
  after: readonly ChangedChunk[];
  /** What comes, in its forms; the text, which is the most, does not wait for that. */
  packed: Promise<PackedChunks>;
  /** Reads a chunk's text back into groups. */
  groupsOf: (text: Buffer) => Group[];
}

/** Writes all forms. Throws `index-stale` when a file is not what it was. */
export async function changeIndex(
  index: Index,
  changed: Changed,
  options: WriteOptions,
): Promise<IndexEntry> {
  const { before, after } = changed;
  const file = path.join(options.generation, index.path);
  await mkdir(path.dirname(file), { recursive: true });
  const offsets = await appendText(before, after, options);
  const target = options.offer.plain ? file : null;
  const [plain, { chunks, forms }] = await allOf([
    stitch({ ...jobOptions(options), ...textJob(before, after), target }),
    changeForms(index, changed, offsets, options),
  ]);
  if (target !== null) await publishFile(target, plain, options.date);
  const made = { path: index.path, kind: index.kind, chunks, plain, forms };
  const diffs = options.offer.pdiffs === true ? await writeDiffs(changed, made, options) : null;
  const entry = { ...made, diffs };
  return putInOrder({ ...entry, textFile: textFileName(options.ordinal) }, options);
}

async function changeForms(
  index: Index,
  { before, after, packed }: Changed,
  offsets: ReadonlyMap<PlainChunk, number>,
  options: WriteOptions,
): Promise<Pick<IndexEntry, 'chunks' | 'forms'>> {
  const made = await packed;
  const places = after.map((chunk) =>
    isPlace(chunk) ? chunk : placeOf({ ...chunk, packed: made.of(chunk) }, offsets.get(chunk) ?? Number.NaN),
  );
  const forms = index.forms.map(async (form) => {
    const target = path.join(options.generation, index.path) + FORMS[form].ending;
    const job = formJob(form, before, { after, packed: made, places });
    const sums = await stitch({ ...jobOptions(options), ...job, target });
    await publishFile(target, sums, options.date);
    return [form, sums] as const;
  });
  return { chunks: places, forms: Object.fromEntries(await allOf(forms)) };
}

function jobOptions({ date, offer }: WriteOptions): { dateMs: number; withMd5: boolean } {
  return { dateMs: date.getTime(), withMd5: offer.md5 };
}

/** As `Promise.all`, but nothing is under way any more when it throws. */
export async function allOf<T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [At in keyof T]: Awaited<T[At]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Links the text's file into the new state and writes new text behind it; returns where each piece lies. */
async function appendText(
  before: Before,
  after: readonly ChangedChunk[],
  options: WriteOptions,
): Promise<Map<PlainChunk, number>> {
  const file = path.join(options.stateFolder, textFileName(options.ordinal));
  await link(path.join(before.stateFolder, before.entry.textFile), file).catch((cause: unknown) => {
    throw new AppError('index-stale', `The text of ${before.entry.path} is not there`, { cause });
  });
  const handle = await open(file, 'r+');
  try {
    // What a publish that was cut off left there belongs to nobody.
    let end = textFileSize(before.entry);
    const offsets = new Map<PlainChunk, number>();
    for (const chunk of after) {
      if (isPlace(chunk)) continue;
      const { bytesWritten } = await handle.write(chunk.text, 0, chunk.text.length, end);
      if (bytesWritten !== chunk.text.length) throw new AppError('index-not-written', `${file} is cut short`);
      offsets.set(chunk, end);
      end += chunk.text.length;
    }
    return offsets;
  } finally {
    await handle.close();
  }
}

/** Writes the text's file anew, in order, when most of it is of no use any more. */
async function putInOrder(entry: IndexEntry, options: WriteOptions): Promise<IndexEntry> {
  const size = textFileSize(entry);
  if (size <= 2 * entry.plain.size + MAX_WASTE_BYTES) return entry;
  const source = path.join(options.stateFolder, entry.textFile);
  const target = `${source}.new`;
  const operations = entry.chunks.map(({ at, text }) => ({ keep: { from: at, length: text } }));
  const job = { source, operations, target, expected: entry.plain.sha256, withMd5: false };
  await stitch({ ...job, dateMs: options.date.getTime() });
  await rename(target, source);
  let end = 0;
  const chunks = entry.chunks.map((place) => {
    const at = end;
    end += place.text;
    return { ...place, at };
  });
  return { ...entry, chunks };
}
