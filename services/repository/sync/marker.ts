/**
 * `staging/<queue>/.<product>.changed`: "there is something to sync". A publisher (or a person with
 * touch(1)) makes it; rqp removes it when what it saw is in live, and only if nobody touched it since.
 *
 * A publisher writes the generation's number into it. A file that a person made is empty: it asks for a look
 * at all files, and so does a touch of one that a publisher made.
 */
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { writeFileDurably } from '../../../shared/files/durable.ts';

/** Which touch it was. */
export interface SeenMarker {
  inode: bigint;
  modifiedNs: bigint;
}

/** What a publisher adds when it replaces one that a person made. */
const FULL = 'full\n';

/** Touches it: a new file each time, so that two touches never look the same. */
export async function touchMarker(marker: string, generation: number): Promise<void> {
  const wasFull = await asksForAll(marker);
  await writeFileDurably(marker, `${String(generation)}\n${wasFull ? FULL : ''}`);
}

/** True for one that a person made, also when a publisher came after. */
export async function asksForAll(marker: string): Promise<boolean> {
  const text = await readFile(marker, 'utf8').catch(() => null);
  return text !== null && (text.trim() === '' || text.endsWith(FULL));
}

/** A touch as one word: `inode:nanoseconds`. */
export function touchName(seen: SeenMarker): string {
  return `${String(seen.inode)}:${String(seen.modifiedNs)}`;
}

/**
 * True when `seen` is the very file of an earlier touch, touched again by a person: publishers make a new one.
 * A new one often gets the inode of the one that was removed; then its number is newer than what was synced.
 */
export async function isTouchedAgain(
  marker: string,
  seen: SeenMarker,
  earlier: { marker: string | null; generation: number | null },
): Promise<boolean> {
  const isSameInode = earlier.marker?.startsWith(`${String(seen.inode)}:`) === true;
  if (!isSameInode || earlier.marker === touchName(seen)) return false;
  const number = Number.parseInt(await readFile(marker, 'utf8').catch(() => ''), 10);
  return !(number > (earlier.generation ?? 0));
}

/** The marker as it stands, or null. */
export async function seeMarker(marker: string): Promise<SeenMarker | null> {
  // What a removal that was cut off left behind counts as a touch.
  const found = (await look(marker)) ?? ((await putBack(marker)) ? await look(marker) : null);
  return found;
}

/**
 * Removes the marker if it is still the one that was seen; false when it was touched since. It is first
 * renamed away and then looked at: a touch between looking and removing cannot be lost.
 */
export async function clearMarker(marker: string, seen: SeenMarker | null): Promise<boolean> {
  const taken = takenName(marker);
  try {
    await rename(marker, taken);
  } catch {
    return seen === null; // nothing there to remove
  }
  const found = await look(taken);
  if (seen !== null && found?.inode === seen.inode && found.modifiedNs === seen.modifiedNs) {
    await rm(taken, { force: true });
    return true;
  }
  await putBack(marker);
  return false;
}

function takenName(marker: string): string {
  return `${marker}.taken`;
}

async function putBack(marker: string): Promise<boolean> {
  return rename(takenName(marker), marker).then(
    () => true,
    () => false,
  );
}

async function look(file: string): Promise<SeenMarker | null> {
  const found = await stat(file, { bigint: true }).catch(() => null);
  return found && { inode: found.ino, modifiedNs: found.mtimeNs };
}
