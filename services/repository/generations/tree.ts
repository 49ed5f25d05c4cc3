/** A generation as a folder: written whole, made durable, never touched again. */
import {
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { fsyncDirectory } from '../../../shared/files/durable.ts';
import type { QueuePlaces } from '../places.ts';
import { selectIndexes, type IndexedPackage } from '../indexes/select.ts';
import { releaseText, type ReleaseShape } from '../indexes/release.ts';
import { writeIndexes } from '../indexes/write.ts';
import type { Signer } from '../signing/signer.ts';

export function generationFolder(places: QueuePlaces, number: number): string {
  return path.join(places.generations, String(number));
}

/** Writes generation `number` from nothing; what an earlier try left is removed first. */
export async function writeGeneration(
  places: QueuePlaces,
  number: number,
  content: { shape: ReleaseShape; packages: readonly IndexedPackage[]; date: Date; signer: Signer },
  step: (name: string) => Promise<void>,
): Promise<void> {
  const folder = generationFolder(places, number);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const listed = await writeIndexes(folder, selectIndexes(content.packages, content.shape));
  await step('indexes-written');
  const release = releaseText(content.shape, content.date, listed);
  await writeFile(path.join(folder, 'Release'), release);
  await writeFile(path.join(folder, 'Release.gpg'), await content.signer.detachSign(release));
  await writeFile(path.join(folder, 'InRelease'), await content.signer.clearsign(release));
  await settle(folder, content.date);
  await fsyncDirectory(places.generations);
}

/**
 * fsyncs everything and sets each file's time to the generation's date: HTTP clients and rsync compare
 * times in whole seconds, and two generations never share a date.
 */
async function settle(folder: string, date: Date): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      await settle(at, date);
      continue;
    }
    await utimes(at, date, date);
    const handle = await open(at, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await fsyncDirectory(folder);
}

/** The number that `dists/<product>` points to, or null when it points nowhere. */
export async function currentNumber(places: QueuePlaces): Promise<number | null> {
  const target = await readlink(places.dists).catch(() => null);
  const number = Number(target === null ? Number.NaN : path.basename(target));
  return Number.isInteger(number) ? number : null;
}

/** Points `dists/<product>` to a generation by one rename. */
export async function switchTo(places: QueuePlaces, number: number): Promise<void> {
  const directory = path.dirname(places.dists);
  const target = path.relative(directory, generationFolder(places, number));
  const temporary = path.join(directory, `.${path.basename(places.dists)}.new`);
  await mkdir(directory, { recursive: true });
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, places.dists);
  await fsyncDirectory(directory);
}

/** True when the generation's folder is whole (InRelease is written last). */
export async function isWritten(places: QueuePlaces, number: number): Promise<boolean> {
  const found = await lstat(path.join(generationFolder(places, number), 'InRelease')).catch(() => null);
  return found !== null;
}

/** The date of the generation that clients see now, or null. */
export async function currentDate(places: QueuePlaces): Promise<Date | null> {
  const found = await stat(path.join(places.dists, 'InRelease')).catch(() => null);
  return found ? found.mtime : null;
}

/** Removes the folders of all but the newest `keep` generations up to `newest`. */
export async function pruneGenerations(places: QueuePlaces, newest: number, keep: number): Promise<void> {
  for (const name of await readdir(places.generations)) {
    const number = Number(name);
    if (Number.isInteger(number) && number <= newest - keep) {
      await rm(generationFolder(places, number), { recursive: true, force: true });
    }
  }
}
