/** Writes one index of a generation in all its forms, each also under its sum. */
import { createHash } from 'node:crypto';
import { link, mkdir, open, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import type { Chunk } from './chunks/chunked-index.ts';
import { FORMS, type FormName, type Packed } from './forms/form.ts';
import { formsOf, type FileSums, type IndexEntry } from './state.ts';

/** Pieces that one write hands to the kernel; Linux takes at most 1024. */
const PIECES_PER_WRITE = 512;

/** How the indexes of an archive are offered. */
export interface Offer {
  compression: readonly FormName[];
  /** The uncompressed indexes too, for clients that can read nothing else. */
  plain: boolean;
  /** MD5 sums in Release, for clients that know nothing else. */
  md5: boolean;
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

/** Writes the published forms, durably, and the text beside the state, which is only a cache. */
export async function writeIndex(
  index: { path: string; kind: string; forms: readonly FormName[] },
  chunks: readonly Chunk[],
  options: WriteOptions,
): Promise<IndexEntry> {
  const text = chunks.map((chunk) => chunk.text);
  const textFile = `${String(options.ordinal)}.text`;
  const plain = sumsOf(text, options.offer.md5);
  await writePieces(path.join(options.stateFolder, textFile), text, null);
  const file = path.join(options.generation, index.path);
  if (options.offer.plain) await publishPieces(file, text, plain, options.date);
  const forms: IndexEntry['forms'] = {};
  for (const form of index.forms) {
    const pieces = piecesOf(form, chunks);
    const sums = sumsOf(pieces, options.offer.md5);
    await publishPieces(file + FORMS[form].ending, pieces, sums, options.date);
    forms[form] = sums;
  }
  return { path: index.path, kind: index.kind, textFile, chunks: chunks.map(lengthsOf), plain, forms };
}

/** A form's whole file. */
function piecesOf(form: FormName, chunks: readonly Chunk[]): Buffer[] {
  const { header, tail } = FORMS[form];
  const packed = chunks.map((chunk) => chunk.packed[form] as Packed);
  const sizes = packed.map(({ size }, at) => ({ size, textSize: chunks[at]?.text.length ?? 0 }));
  return [header(), ...packed.map(({ bytes }) => bytes), tail(sizes)];
}

function lengthsOf({ first, text, packed }: Chunk): IndexEntry['chunks'][number] {
  const sizes = Object.entries(packed).map(([form, { size }]) => [form, size]);
  return { first, text: text.length, packed: Object.fromEntries(sizes) as Record<FormName, number> };
}

async function publishPieces(file: string, pieces: Buffer[], sums: FileSums, date: Date): Promise<void> {
  await writePieces(file, pieces, date);
  await linkByHash(file, sums.sha256);
}

/** Takes an index over from the generation before, without a byte read or written. */
export async function reuseIndex(
  entry: IndexEntry,
  from: { generation: string; stateFolder: string },
  options: WriteOptions,
): Promise<IndexEntry> {
  for (const [ending, sums] of published(entry, options.offer)) {
    const name = entry.path + ending;
    const file = path.join(options.generation, name);
    await mkdir(path.dirname(file), { recursive: true });
    await link(path.join(from.generation, name), file);
    await linkByHash(file, sums.sha256);
  }
  const textFile = `${String(options.ordinal)}.text`;
  await mkdir(options.stateFolder, { recursive: true });
  await link(path.join(from.stateFolder, entry.textFile), path.join(options.stateFolder, textFile));
  return { ...entry, textFile };
}

/** True when everything that {@link reuseIndex} takes over is there, by size. */
export async function canReuse(
  entry: IndexEntry,
  from: { generation: string; stateFolder: string },
  offer: Offer,
): Promise<boolean> {
  const files = published(entry, offer).map(
    ([ending, { size }]) => [path.join(from.generation, entry.path + ending), size] as const,
  );
  files.push([path.join(from.stateFolder, entry.textFile), entry.plain.size]);
  for (const [file, size] of files) {
    const found = await stat(file).catch(() => null);
    if (found?.size !== size) return false;
  }
  return true;
}

/** What Release lists of an index: the text always, since clients check what they unpack. */
export function releaseEntries(entry: IndexEntry): ReleaseIndex[] {
  return published(entry, { plain: true }).map(([ending, { size, sha256, md5 }]) => {
    return { path: entry.path + ending, size, sha256, ...(md5 === null ? {} : { md5 }) };
  });
}

/** The files of an index by what they end in. */
function published(entry: IndexEntry, offer: Pick<Offer, 'plain'>): [string, FileSums][] {
  const packed = formsOf(entry).map(([form, sums]): [string, FileSums] => [FORMS[form].ending, sums]);
  return offer.plain ? [['', entry.plain], ...packed] : packed;
}

/** A hard link under the file's sum. */
async function linkByHash(file: string, sha256: string): Promise<void> {
  const folder = path.join(path.dirname(file), 'by-hash', 'SHA256');
  await mkdir(folder, { recursive: true });
  await link(file, path.join(folder, sha256)).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error; // two forms of one content
  });
}

function sumsOf(pieces: readonly Buffer[], withMd5: boolean): FileSums {
  const sha256 = createHash('sha256');
  const md5 = withMd5 ? createHash('md5') : null;
  let size = 0;
  for (const piece of pieces) {
    sha256.update(piece);
    md5?.update(piece);
    size += piece.length;
  }
  return { size, sha256: sha256.digest('hex'), md5: md5?.digest('hex') ?? null };
}

/** `date` null: a cache, neither dated nor made durable. */
async function writePieces(file: string, pieces: readonly Buffer[], date: Date | null): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const handle = await open(file, 'w', 0o644);
  try {
    for (let from = 0; from < pieces.length; from += PIECES_PER_WRITE) {
      await writeAll(handle, pieces.slice(from, from + PIECES_PER_WRITE));
    }
    if (date) await handle.sync();
  } finally {
    await handle.close();
  }
  if (date) await utimes(file, date, date);
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, pieces: readonly Buffer[]): Promise<void> {
  const wanted = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const { bytesWritten } = await handle.writev(pieces);
  if (bytesWritten === wanted) return;
  // The kernel may take less, a little above 2 GB at the latest.
  await handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
}
