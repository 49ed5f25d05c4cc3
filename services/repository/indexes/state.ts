/**
 * What a generation's indexes were made of: where each chunk begins in every form. The gzip and xz bytes are
 * the published files themselves; only the text is kept beside this. It is a cache: without it, or when a
 * file is not what it says, the indexes are made anew and are the same.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Chunk } from './chunks/chunked-index.ts';
import { splitStream, streamHeader } from './chunks/xz.ts';

const size = z.number().int().nonnegative();
const sums = z.strictObject({ size, sha256: z.string(), md5: z.string().nullable() });

const indexEntry = z.strictObject({
  /** Relative to the generation, without an ending. */
  path: z.string(),
  /** The text's file below the state's folder. */
  textFile: z.string().regex(/^\d+\.text$/),
  /** Lengths in bytes, in order. */
  chunks: z.array(z.strictObject({ first: z.string(), text: size, gz: size })),
  forms: z.strictObject({ plain: sums, gz: sums, xz: sums }),
});
export type IndexEntry = z.infer<typeof indexEntry>;

const stateSchema = z.strictObject({
  version: z.literal(1),
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

/** An index's chunks as they lie in the state and in the generation; null when a file is not what it was. */
export async function loadChunks(
  stateFolder: string,
  generation: string,
  entry: IndexEntry,
): Promise<Chunk[] | null> {
  if (entry.chunks.length === 0) return [];
  const [text, gz, xz] = await Promise.all([
    readExpected(path.join(stateFolder, entry.textFile), entry.forms.plain),
    readExpected(path.join(generation, `${entry.path}.gz`), entry.forms.gz),
    readExpected(path.join(generation, `${entry.path}.xz`), entry.forms.xz),
  ]);
  if (!text || !gz || !xz) return null;
  const blocks = splitStream(xz);
  const at = { text: 0, gz: 0, xz: streamHeader().length };
  return entry.chunks.map((chunk, index) => {
    const block = blocks[index];
    if (!block) throw new Error(`${entry.path}.xz has fewer blocks than chunks`);
    const piece = {
      first: chunk.first,
      text: text.subarray(at.text, (at.text += chunk.text)),
      gz: gz.subarray(at.gz, (at.gz += chunk.gz)),
      xz: block.bytes,
      unpaddedSize: block.unpaddedSize,
    };
    return piece;
  });
}

async function readExpected(file: string, expected: z.infer<typeof sums>): Promise<Buffer | null> {
  const content = await readFile(file).catch(() => null);
  if (content?.length !== expected.size) return null;
  return createHash('sha256').update(content).digest('hex') === expected.sha256 ? content : null;
}
