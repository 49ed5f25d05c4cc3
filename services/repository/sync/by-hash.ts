/**
 * by-hash files of older generations stay in live for a day, for clients that hold the older InRelease.
 * A file's own time says when it was written, not when it went out of use, so that is noted here, beside
 * staging. Losing the notes is safe: the day begins anew.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { writeFileDurably } from '../../../shared/files/durable.ts';

/** Conventions of the archive: a day at least. */
export const BY_HASH_KEPT_MS = 24 * 3600 * 1000;

/** Path relative to `dists/<product>` -> milliseconds since 1970 when it was first seen out of use. */
const notesSchema = z.record(z.string(), z.number());

/** Removes by-hash files from `live` that `generation` has not and that went out of use a day before `now`. */
export async function cleanByHash(
  generation: string,
  live: string,
  notesFile: string,
  now: Date,
): Promise<void> {
  const used = new Set(await byHashFiles(generation));
  const unused = (await byHashFiles(live)).filter((file) => !used.has(file));
  const before = await readNotes(notesFile);
  const after: Record<string, number> = {};
  for (const file of unused) {
    const since = before[file] ?? now.getTime();
    if (now.getTime() - since > BY_HASH_KEPT_MS) await rm(path.join(live, file), { force: true });
    else after[file] = since;
  }
  if (JSON.stringify(after) !== JSON.stringify(before)) {
    await writeFileDurably(notesFile, `${JSON.stringify(after)}\n`);
  }
}

async function byHashFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && path.basename(path.dirname(entry.parentPath)) === 'by-hash')
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .toSorted();
}

async function readNotes(file: string): Promise<Record<string, number>> {
  const text = await readFile(file, 'utf8').catch(() => '{}');
  try {
    return notesSchema.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
