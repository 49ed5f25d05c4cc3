/**
 * Generations of a mirror: each holds all its suites as clients shall see them, is written whole, and is switched to
 * by one rename, so that no client sees one suite of yesterday beside another of today.
 */
import { link, mkdir, readFile, readdir, readlink, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { settleFolders, switchLink } from '../../../shared/files/whole-folder.ts';
import type { MirrorPlaces } from './places.ts';

/** Generations kept for clients that hold an older InRelease; more than one each hour and a half of two days. */
const MAX_KEPT = 32;

/** `<number>.json`, written when the folder is whole. */
const noteSchema = z.strictObject({
  number: z.number().int().positive(),
  /** When it was made, milliseconds since 1970. */
  atMs: z.number(),
  /** Sum of everything it was made from: the same again makes no new one. */
  input: z.string(),
  /** Its own by-hash files, relative to its folder; those it took over from older ones are not named. */
  byHash: z.array(z.string()),
});
export type GenerationNote = z.infer<typeof noteSchema>;

export function generationFolder(places: MirrorPlaces, number: number): string {
  return path.join(places.generations, String(number));
}

/** The notes of the generations that are whole, by number. */
export async function readNotes(places: MirrorPlaces): Promise<GenerationNote[]> {
  const names = (await readdir(places.generations).catch(() => [])).filter((name) =>
    /^\d+\.json$/.test(name),
  );
  const notes: GenerationNote[] = [];
  for (const name of names) {
    const text = await readFile(path.join(places.generations, name), 'utf8');
    const parsed = noteSchema.safeParse(jsonOf(text));
    if (parsed.success) notes.push(parsed.data);
  }
  return notes.toSorted((a, b) => a.number - b.number);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What clients see: the note of the generation that `dists` points to; null when there is none that is whole. */
export async function currentNote(places: MirrorPlaces): Promise<GenerationNote | null> {
  const target = await readlink(places.dists).catch(() => '');
  const number = Number(path.basename(target));
  const folder = await stat(generationFolder(places, number)).catch(() => null);
  if (!folder?.isDirectory()) return null;
  return (await readNotes(places)).find((note) => note.number === number) ?? null;
}

/** Removes what an update that was cut off left: folders without a note, and what is newer than what clients see. */
export async function removeUnfinished(places: MirrorPlaces): Promise<void> {
  const current = (await currentNote(places))?.number ?? 0;
  const whole = new Set((await readNotes(places)).map((note) => note.number));
  for (const name of await readdir(places.generations).catch(() => [])) {
    const number = Number.parseInt(name, 10);
    if (whole.has(number) && number <= current) continue;
    await rm(path.join(places.generations, name), { recursive: true, force: true });
  }
}

/** A name for a file of ours in a generation; the bytes are shared. Twice the same is fine. */
export async function linkInto(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  await link(from, to).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error;
  });
}

/** Lets clients that hold the InRelease of a generation that went out of use since `since` find its indexes here too. */
export async function takeOverByHash(places: MirrorPlaces, folder: string, sinceMs: number): Promise<void> {
  for (const note of inGrace(await readNotes(places), sinceMs)) {
    const from = generationFolder(places, note.number);
    for (const file of note.byHash) {
      await linkInto(path.join(from, file), path.join(folder, file)).catch((error: unknown) => {
        if (!hasErrno(error, 'ENOENT')) throw error;
      });
    }
  }
}

/** The newest of all, and those whose successor is younger than `sinceMs`. */
function inGrace(notes: readonly GenerationNote[], sinceMs: number): GenerationNote[] {
  return notes
    .filter((_note, at) => (notes[at + 1]?.atMs ?? Number.POSITIVE_INFINITY) >= sinceMs)
    .slice(-MAX_KEPT);
}

/** The folder is whole: makes its names durable and says so. */
export async function writeNote(places: MirrorPlaces, note: GenerationNote): Promise<void> {
  await settleFolders(generationFolder(places, note.number));
  await writeFileDurably(path.join(places.generations, `${String(note.number)}.json`), JSON.stringify(note));
}

/** Points `dists` to the generation by one rename. */
export async function switchTo(places: MirrorPlaces, number: number): Promise<void> {
  await switchLink(places.dists, generationFolder(places, number));
}

/** Removes the generations that nobody can still hold. */
export async function pruneGenerations(places: MirrorPlaces, sinceMs: number): Promise<void> {
  const notes = await readNotes(places);
  const kept = new Set(inGrace(notes, sinceMs).map((note) => note.number));
  for (const { number } of notes) {
    if (kept.has(number)) continue;
    // The note first: a folder without one is removed by the next update.
    await rm(path.join(places.generations, `${String(number)}.json`), { force: true });
    await rm(generationFolder(places, number), { recursive: true, force: true });
  }
}
