/**
 * What a generation's indexes were made of: where each chunk begins in every form. The packed bytes are the
 * published files themselves; only the text is kept beside this. It is a cache: without it, or when a file is
 * not what it says, the indexes are made anew and are the same.
 */
import { mkdir, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { FileSums } from './stitch/run-job.ts';
import { FORM_NAMES, type FormName } from './forms/form.ts';

const size = z.number().int().nonnegative();
const sums = z.strictObject({ size, sha256: z.string(), md5: z.string().nullable() });
const formName = z.enum(FORM_NAMES);

const chunkPlace = z.strictObject({
  /** Its first group's key. */
  first: z.string(),
  /** Where its text begins in the text's file, in bytes. Chunks lie there as they came, not in order. */
  at: size,
  /** Length of its text in bytes. */
  text: size,
  /** How many lines that is. */
  lines: size,
  /** In each form, as {@link import('./forms/form.ts').Packed.size}. */
  packed: z.partialRecord(formName, size),
});
/** A chunk as it lies in the files of the generation before. */
export type ChunkPlace = z.infer<typeof chunkPlace>;

const fileSum = z.strictObject({ size, sha256: z.string() });
const patch = z.strictObject({
  /** Its file is `<name>.gz`. */
  name: z.string().regex(/^\w+$/),
  /** The text that it applies to. */
  from: fileSum,
  /** The patch, and its file. */
  patch: fileSum,
  download: fileSum,
});
export type Patch = z.infer<typeof patch>;

/** See pdiff/diff-index.ts. */
const diffIndex = z.strictObject({
  index: sums,
  /** Oldest first. */
  patches: z.array(patch),
});
export type DiffIndex = z.infer<typeof diffIndex>;

const indexEntry = z.strictObject({
  /** Relative to the generation, without an ending. */
  path: z.string(),
  /** Name of the {@link import('./kinds/kind.ts').IndexKind}. */
  kind: z.string(),
  /** The text's file below the state's folder. */
  textFile: z.string().regex(/^\d+\.text$/),
  /** In order. */
  chunks: z.array(chunkPlace),
  plain: sums,
  /** The compressed files. */
  forms: z.partialRecord(formName, sums),
  /** Null where there are none, or none are offered. */
  diffs: diffIndex.nullable(),
});
export type IndexEntry = z.infer<typeof indexEntry>;

const stateSchema = z.strictObject({
  version: z.literal(5),
  number: z.number().int(),
  /** Scope and offer: another one means other files. */
  shape: z.string(),
  indexes: z.array(indexEntry),
});
export type IndexState = z.infer<typeof stateSchema>;

const FILE = 'state.json';

/** The state of generation `number`, or null when there is none that can be used. */
export async function readState(folder: string, number: number): Promise<IndexState | null> {
  const text = await readFile(path.join(folder, String(number), FILE), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    const parsed = stateSchema.safeParse(JSON.parse(text));
    return parsed.success && parsed.data.number === number ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Writes the state last, after its texts. */
export async function writeState(folder: string, state: IndexState): Promise<void> {
  const own = path.join(folder, String(state.number));
  await mkdir(own, { recursive: true });
  await writeFile(path.join(own, FILE), JSON.stringify(state));
}

/** Removes the states of all other generations. */
export async function pruneStates(folder: string, keep: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (name !== String(keep)) await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

/** An index's forms, in a fixed order. */
export function formsOf(entry: IndexEntry): [FormName, FileSums][] {
  return FORM_NAMES.flatMap((form) => {
    const own = entry.forms[form];
    return own ? [[form, own] as [FormName, FileSums]] : [];
  });
}

/** The text of one chunk. Throws `index-stale` when the file is not long enough. */
export async function readChunk(stateFolder: string, entry: IndexEntry, chunk: ChunkPlace): Promise<Buffer> {
  const handle = await open(path.join(stateFolder, entry.textFile), 'r').catch(() => null);
  try {
    const text = Buffer.alloc(chunk.text);
    const found = await handle?.read(text, 0, chunk.text, chunk.at);
    if (found?.bytesRead === chunk.text) return text;
    throw new AppError('index-stale', `The text of ${entry.path} is not what it was`);
  } finally {
    await handle?.close();
  }
}

/** Length that the text's file has at least. */
export function textFileSize(entry: IndexEntry): number {
  return entry.chunks.reduce((end, chunk) => Math.max(end, chunk.at + chunk.text), 0);
}
