/** Which snapshots a folder `<queue>/snapshot` holds of a product. */
import { readlink } from 'node:fs/promises';
import path from 'node:path';
import { namesIn } from './place.ts';

const TIMESTAMP = /^\d{8}T\d{6}Z$/;

/** The product's snapshots by timestamp, as links in `folder` say: generation numbers. */
export async function snapshotsIn(folder: string, product: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const name of (await namesIn(folder)).filter((each) => TIMESTAMP.test(each))) {
    const link = await readlink(path.join(folder, name, 'dists', product)).catch(() => null);
    const number = Number(link === null ? Number.NaN : path.basename(link));
    if (Number.isInteger(number)) found.set(name, number);
  }
  return found;
}

/** Numbers of the generations that snapshots show. */
export async function snapshotNumbers(folder: string, product: string): Promise<Set<number>> {
  return new Set((await snapshotsIn(folder, product)).values());
}
