/** Writes one index of a generation in all its forms, each also under its sum. */
import { createHash } from 'node:crypto';
import { link, mkdir, open, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import type { Chunk } from './chunks/chunked-index.ts';
import { streamHeader, streamTail } from './chunks/xz.ts';
import type { IndexEntry } from './state.ts';

/** Of an empty gzip member, as zlib makes it: an empty index is offered like any other. */
const EMPTY_GZIP = Buffer.from('H4sIAAAAAAACAwMAAAAAAAAAAAA=', 'base64');
/** Pieces that one write hands to the kernel; Linux takes at most 1024. */
const PIECES_PER_WRITE = 512;

/** `plain` is always listed in Release, since clients check what they unpack, and offered if configured. */
const ENDINGS = { plain: '', gz: '.gz', xz: '.xz' } as const;
type Form = keyof typeof ENDINGS;
const FORMS = ['plain', 'gz', 'xz'] as const;

/** How the indexes of an archive are offered. */
export interface Offer {
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
  indexPath: string,
  chunks: readonly Chunk[],
  options: WriteOptions,
): Promise<IndexEntry> {
  const pieces: Record<Form, Buffer[]> = {
    plain: chunks.map((chunk) => chunk.text),
    gz: chunks.length > 0 ? chunks.map((chunk) => chunk.gz) : [EMPTY_GZIP],
    xz: [
      streamHeader(),
      ...chunks.map((chunk) => chunk.xz),
      streamTail(chunks.map(({ unpaddedSize, text }) => ({ unpaddedSize, uncompressedSize: text.length }))),
    ],
  };
  const forms = {
    plain: sumsOf(pieces.plain, options.offer.md5),
    gz: sumsOf(pieces.gz, options.offer.md5),
    xz: sumsOf(pieces.xz, options.offer.md5),
  };
  for (const form of offered(options.offer)) {
    const file = path.join(options.generation, indexPath + ENDINGS[form]);
    await writePieces(file, pieces[form], options.date);
    await linkByHash(file, forms[form].sha256);
  }
  const textFile = `${String(options.ordinal)}.text`;
  await writePieces(path.join(options.stateFolder, textFile), pieces.plain, null);
  const lengths = chunks.map(({ first, text, gz }) => ({ first, text: text.length, gz: gz.length }));
  return { path: indexPath, textFile, chunks: lengths, forms };
}

/** Takes an index over from the generation before, without a byte read or written. */
export async function reuseIndex(
  entry: IndexEntry,
  from: { generation: string; stateFolder: string },
  options: WriteOptions,
): Promise<IndexEntry> {
  for (const form of offered(options.offer)) {
    const name = entry.path + ENDINGS[form];
    const file = path.join(options.generation, name);
    await mkdir(path.dirname(file), { recursive: true });
    await link(path.join(from.generation, name), file);
    await linkByHash(file, entry.forms[form].sha256);
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
  const files = offered(offer).map((form) => [
    path.join(from.generation, entry.path + ENDINGS[form]),
    entry.forms[form].size,
  ]);
  files.push([path.join(from.stateFolder, entry.textFile), entry.forms.plain.size]);
  for (const [file, size] of files as [string, number][]) {
    const found = await stat(file).catch(() => null);
    if (found?.size !== size) return false;
  }
  return true;
}

/** What Release lists of an index. */
export function releaseEntries(entry: IndexEntry): ReleaseIndex[] {
  return FORMS.map((form) => {
    const { size, sha256, md5 } = entry.forms[form];
    return { path: entry.path + ENDINGS[form], size, sha256, ...(md5 === null ? {} : { md5 }) };
  });
}

function offered(offer: Offer): readonly Form[] {
  return offer.plain ? FORMS : FORMS.filter((form) => form !== 'plain');
}

/** A hard link under the file's sum. */
async function linkByHash(file: string, sha256: string): Promise<void> {
  const folder = path.join(path.dirname(file), 'by-hash', 'SHA256');
  await mkdir(folder, { recursive: true });
  await link(file, path.join(folder, sha256)).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error; // two forms of one content
  });
}

function sumsOf(pieces: readonly Buffer[], withMd5: boolean): IndexEntry['forms']['plain'] {
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
