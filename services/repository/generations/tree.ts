/** A generation as a folder: written whole, made durable, never touched again. */
import { lstat, mkdir, readlink, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fsyncDirectory } from '../../../shared/files/durable.ts';
import { settleFolders, switchLink, writeDated } from '../../../shared/files/whole-folder.ts';
import type { QueuePlaces } from '../places.ts';
import { makeIndexes } from '../indexes/engine.ts';
import type { Wanted } from '../indexes/plan.ts';
import type { FileLists } from '../indexes/kinds/kind.ts';
import type { IndexedChange, IndexedPackage } from '../indexes/kinds/scope.ts';
import { releaseText, type ReleaseShape } from '../indexes/release.ts';
import type { Signer } from '../signing/signer.ts';

export function generationFolder(places: QueuePlaces, number: number): string {
  return path.join(places.generations, String(number));
}

export interface GenerationContent {
  shape: ReleaseShape;
  date: Date;
  signer: Signer;
  /** Every package that comes or goes; null: too many to name. */
  changed: readonly IndexedChange[] | null;
  /** Everything that the queue will hold. */
  listing(): Promise<readonly IndexedChange[]>;
  packages(wanted: Wanted): Promise<readonly IndexedPackage[]>;
  fileLists: FileLists;
}

/**
 * Writes generation `number` from the one that clients see now and what changed; what an earlier try left is
 * removed first. Each new file has the generation's date as its time: HTTP clients and rsync compare times in
 * whole seconds, and two generations never share a date. A file taken over keeps its time with its bytes.
 */
export async function writeGeneration(
  places: QueuePlaces,
  number: number,
  content: GenerationContent,
  step: (name: string) => Promise<void>,
): Promise<void> {
  const { shape, date, signer } = content;
  const folder = generationFolder(places, number);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const current = await currentNumber(places);
  const listed = await makeIndexes({
    ...{ scope: shape, offer: shape, number, folder, date, states: places.states },
    previous: current === null ? null : { number: current, folder: generationFolder(places, current) },
    changed: content.changed,
    listing: () => content.listing(),
    packages: (wanted) => content.packages(wanted),
    fileLists: content.fileLists,
  });
  await step('indexes-written');
  const release = releaseText(shape, date, listed);
  await writeDated(path.join(folder, 'Release'), release, date);
  const { queue, product } = shape;
  const signed = await signer.sign({ text: release, queue, product, generation: number });
  await step('release-signed');
  await writeDated(path.join(folder, 'Release.gpg'), signed.detached, date);
  await writeDated(path.join(folder, 'InRelease'), signed.inRelease, date);
  await settleFolders(folder);
  await fsyncDirectory(places.generations);
}

/** The number that `dists/<product>` points to, or null when it points nowhere. */
export async function currentNumber(places: QueuePlaces): Promise<number | null> {
  const target = await readlink(places.dists).catch(() => null);
  const number = Number(target === null ? Number.NaN : path.basename(target));
  return Number.isInteger(number) ? number : null;
}

/** Points `dists/<product>` to a generation by one rename. */
export async function switchTo(places: QueuePlaces, number: number): Promise<void> {
  await switchLink(places.dists, generationFolder(places, number));
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
