/**
 * `Packages.diff/`: the patches that lead to an index from those before it, and `Index`, which names them. Every
 * generation adds one for what it changed; clients apply theirs one after the other. A patch never changes, and goes
 * when there are too many. Where an index was made anew there is none, and clients fetch it whole.
 */
import { createHash } from 'node:crypto';
import { link, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Group, PlainChunk } from '../chunks/chunked-index.ts';
import { isPlace, type Before, type ChangedChunk } from '../operations.ts';
import { readChunk, type ChunkPlace, type DiffIndex, type IndexEntry, type Patch } from '../state.ts';
import { publishFile } from '../publish-file.ts';
import type { WriteOptions } from '../write.ts';
import { editScript, type Region } from './edit-script.ts';

/** A client that was away for longer fetches the whole index. */
const MAX_PATCHES = 100;
const gzipAsync = promisify(gzip);

/** Of the folder beside the index. */
export const DIFF_ENDING = '.diff';

/**
 * Writes the patches of a changed index, with one more for this change. Null where there are none: the change cannot
 * be said as a patch, or all of them together are no smaller than the index.
 */
export async function writeDiffs(
  change: { before: Before; after: readonly ChangedChunk[]; groupsOf: (text: Buffer) => Group[] },
  made: Pick<IndexEntry, 'path' | 'plain' | 'forms'>,
  options: WriteOptions,
): Promise<DiffIndex | null> {
  const { before } = change;
  const old = before.entry.diffs?.patches ?? [];
  const folder = path.join(options.generation, made.path + DIFF_ENDING);
  await mkdir(folder, { recursive: true });
  const added = await writePatch(change, folder, options);
  if (added === null) return null;
  const patches = affordable([...old, ...(added === 'nothing' ? [] : [added])], made);
  await takeOver(
    patches.filter((patch) => old.includes(patch)),
    path.join(before.generation, made.path + DIFF_ENDING),
    folder,
  );
  if (patches.length === 0) return null;
  const text = Buffer.from(indexText(made.plain, patches));
  const file = path.join(folder, 'Index');
  await writeDurably(file, text);
  const index = sumOf(text);
  const md5 = options.offer.md5 ? createHash('md5').update(text).digest('hex') : null;
  await publishFile(file, index, options.date);
  return { index: { ...index, md5 }, patches };
}

/** Takes all of them over for an index that did not change. */
export async function reuseDiffs(entry: IndexEntry, from: string, options: WriteOptions): Promise<void> {
  if (!entry.diffs) return;
  const folder = path.join(options.generation, entry.path + DIFF_ENDING);
  const before = path.join(from, entry.path + DIFF_ENDING);
  await mkdir(folder, { recursive: true });
  await takeOver(entry.diffs.patches, before, folder);
  await linkOld(path.join(before, 'Index'), path.join(folder, 'Index'));
  await publishFile(path.join(folder, 'Index'), entry.diffs.index, null);
}

async function takeOver(patches: readonly Patch[], from: string, to: string): Promise<void> {
  for (const { name } of patches) await linkOld(path.join(from, `${name}.gz`), path.join(to, `${name}.gz`));
}

async function linkOld(from: string, to: string): Promise<void> {
  await link(from, to).catch((cause: unknown) => {
    throw new AppError('index-stale', `${from} is not there`, { cause });
  });
}

/** The newest that are together smaller than the smallest form of the index. */
function affordable(patches: readonly Patch[], made: Pick<IndexEntry, 'plain' | 'forms'>): Patch[] {
  const sizes = [made.plain, ...Object.values(made.forms)].map(({ size }) => size);
  let left = Math.min(...sizes);
  const kept: Patch[] = [];
  for (const patch of patches.toReversed().slice(0, MAX_PATCHES)) {
    left -= patch.download.size;
    if (left < 0) break;
    kept.unshift(patch);
  }
  return kept;
}

async function writePatch(
  { before, after, groupsOf }: Parameters<typeof writeDiffs>[0],
  folder: string,
  options: WriteOptions,
): Promise<Patch | 'nothing' | null> {
  const { entry, stateFolder } = before;
  const readOld = (place: ChunkPlace): Promise<Buffer> => readChunk(stateFolder, entry, place);
  const script = editScript(await regionsOf(entry.chunks, after, { readOld, groupsOf }));
  if (script === null) return null;
  if (script.length === 0) return 'nothing';
  const download = await gzipAsync(script, { level: 9 });
  // Two generations of a product in a queue never share a date.
  const name = options.date.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  await writeDurably(path.join(folder, `${name}.gz`), download);
  const { size, sha256 } = entry.plain;
  return { name, from: { size, sha256 }, patch: sumOf(script), download: sumOf(download) };
}

/** Chunks that went, with those that came in their place. */
async function regionsOf(
  before: readonly ChunkPlace[],
  after: readonly ChangedChunk[],
  {
    readOld,
    groupsOf,
  }: { readOld: (place: ChunkPlace) => Promise<Buffer>; groupsOf: (text: Buffer) => Group[] },
): Promise<Region[]> {
  const regions: Region[] = [];
  let [next, line] = [0, 1];
  let came: PlainChunk[] = [];
  const end = async (kept: ChunkPlace | undefined): Promise<void> => {
    const region = { line, before: [] as Group[], after: came.flatMap((chunk) => groupsOf(chunk.text)) };
    for (; next < before.length && before[next] !== kept; next += 1) {
      const gone = before[next] as ChunkPlace;
      region.before.push(...groupsOf(await readOld(gone)));
      line += gone.lines;
    }
    if (region.before.length + region.after.length > 0) regions.push(region);
    came = [];
    line += kept?.lines ?? 0;
    next += 1;
  };
  for (const chunk of after) {
    if (isPlace(chunk)) await end(chunk);
    else came.push(chunk);
  }
  await end(undefined);
  return regions;
}

/** Oldest first: History says what a file was before each patch. */
function indexText(current: { size: number; sha256: string }, patches: readonly Patch[]): string {
  return [
    `SHA256-Current: ${current.sha256} ${String(current.size)}\n`,
    'SHA256-History:\n',
    ...patches.map(({ from, name }) => indexLine(from, name)),
    'SHA256-Patches:\n',
    ...patches.map(({ patch, name }) => indexLine(patch, name)),
    'SHA256-Download:\n',
    ...patches.map(({ download, name }) => indexLine(download, `${name}.gz`)),
  ].join('');
}

function indexLine({ sha256, size }: { size: number; sha256: string }, name: string): string {
  return ` ${sha256} ${String(size)} ${name}\n`;
}

function sumOf(bytes: Uint8Array): { size: number; sha256: string } {
  return { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'w', 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
