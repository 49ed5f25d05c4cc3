/**
 * What a generation's indexes were made of: where each chunk begins in every form. The packed bytes are the
 * published files themselves; only the text is kept beside this. It is a cache: without it, or when a file is
 * not what it says, the indexes are made anew and are the same.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Chunk } from './chunks/chunked-index.ts';
import { FORM_NAMES, FORMS, type FormName, type Packed } from './forms/form.ts';

const size = z.number().int().nonnegative();
const sums = z.strictObject({ size, sha256: z.string(), md5: z.string().nullable() });
const formName = z.enum(FORM_NAMES);

const indexEntry = z.strictObject({
  /** Relative to the generation, without an ending. */
  path: z.string(),
  /** Name of the {@link import('./kinds/kind.ts').IndexKind}. */
  kind: z.string(),
  /** The text's file below the state's folder. */
  textFile: z.string().regex(/^\d+\.text$/),
  /** Lengths in bytes, in order; `packed` as {@link Packed.size}. */
  chunks: z.array(z.strictObject({ first: z.string(), text: size, packed: z.partialRecord(formName, size) })),
  plain: sums,
  /** The compressed files. */
  forms: z.partialRecord(formName, sums),
});
export type IndexEntry = z.infer<typeof indexEntry>;
export type FileSums = z.infer<typeof sums>;

const stateSchema = z.strictObject({
  version: z.literal(2),
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

/** An index's chunks as they lie in the state and in the generation; null when a file is not what it was. */
export async function loadChunks(
  stateFolder: string,
  generation: string,
  entry: IndexEntry,
): Promise<Chunk[] | null> {
  if (entry.chunks.length === 0) return [];
  const text = await readExpected(path.join(stateFolder, entry.textFile), entry.plain);
  if (!text) return null;
  let at = 0;
  const chunks = entry.chunks.map((chunk): Chunk => {
    return { first: chunk.first, text: text.subarray(at, (at += chunk.text)), packed: {} };
  });
  for (const [form, expected] of formsOf(entry)) {
    const file = await readExpected(path.join(generation, entry.path + FORMS[form].ending), expected);
    if (!file) return null;
    const packed = splitForm(file, form, entry);
    for (const [index, chunk] of chunks.entries()) chunk.packed[form] = packed[index] as Packed;
  }
  return chunks;
}

function splitForm(file: Buffer, form: FormName, entry: IndexEntry): Packed[] {
  let at = FORMS[form].header().length;
  return entry.chunks.map((chunk) => {
    const own = chunk.packed[form] ?? 0;
    return { bytes: file.subarray(at, (at += FORMS[form].lengthOf(own))), size: own };
  });
}

async function readExpected(file: string, expected: FileSums): Promise<Buffer | null> {
  const content = await readFile(file).catch(() => null);
  if (content?.length !== expected.size) return null;
  return createHash('sha256').update(content).digest('hex') === expected.sha256 ? content : null;
}
