/** Generations below a target that is a folder: made beside their place, then renamed into it whole. */
import { lstat, mkdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fsyncDirectory } from '../../../../shared/files/durable.ts';
import { filesBelow, type SyncJob } from '../job.ts';
import type { LocalPlaces } from './local.ts';
import { namesIn, type Placer } from './place.ts';
import { snapshotNumbers } from './snapshot-links.ts';

const BY_HASH = 'by-hash';

/**
 * Makes generation `number` what it is in staging. One that is there is whole: it is looked at again only
 * when a repair was asked for. The names it gives are durable after the placer's `settle`.
 */
export async function placeGeneration(
  placer: Placer,
  places: LocalPlaces,
  job: SyncJob,
  number: number,
): Promise<void> {
  const source = path.join(job.generations, String(number));
  const target = path.join(places.generations, String(number));
  const isThere = (await lstat(target).catch(() => null))?.isDirectory() ?? false;
  if (isThere && job.mode === 'changed') return;
  await placer.folder(places.generations);
  const folder = isThere ? target : path.join(places.generations, `.${String(number)}.new`);
  if (!isThere) await rm(folder, { recursive: true, force: true });
  await fill(placer, places, job, source, folder);
  if (isThere) return;
  await placer.settle();
  await rename(folder, target);
  await fsyncDirectory(places.generations);
  await job.step('sync-generation');
}

async function fill(
  placer: Placer,
  places: LocalPlaces,
  job: SyncJob,
  source: string,
  folder: string,
): Promise<void> {
  const hashed = new Set<string>();
  const files = await filesBelow(source);
  await placer.folder(folder);
  for (const file of files) {
    const parts = file.split(path.sep);
    const at = parts.indexOf(BY_HASH);
    if (at === -1) {
      await placer.file(path.join(source, file), path.join(folder, file));
    } else {
      hashed.add(parts.slice(0, at).join(path.sep));
      await placer.file(path.join(source, file), path.join(places.common, file));
    }
    await job.step('sync-index-file');
  }
  for (const index of hashed) await linkHashed(placer, places, folder, index);
  const wanted = new Set(files);
  for (const file of await filesBelow(folder)) {
    if (!wanted.has(file)) await rm(path.join(folder, file), { force: true });
  }
}

/** `main/binary-amd64/by-hash` of a generation is the one that all generations have. */
async function linkHashed(placer: Placer, places: LocalPlaces, folder: string, index: string): Promise<void> {
  const parent = path.join(folder, index);
  await placer.folder(parent);
  const link = path.relative(parent, path.join(places.common, index, BY_HASH));
  const place = path.join(parent, BY_HASH);
  if ((await readlink(place).catch(() => null)) === link) return;
  await rm(place, { recursive: true, force: true });
  await symlink(link, place);
}

/** Drops what no snapshot shows and nobody reads any more, and what a killed run left behind. */
export async function removeGenerations(places: LocalPlaces, job: SyncJob): Promise<void> {
  const shown = await snapshotNumbers(path.join(places.queue, 'snapshot'), job.product);
  // The one before may still be read by whoever opened its folder.
  const kept = new Set([...shown, job.number, job.before ?? job.number]);
  const numbers = (await namesIn(places.generations)).filter((name) => /^\d+$/.test(name)).map(Number);
  const before = Math.max(...numbers.filter((number) => number < job.number));
  for (const number of numbers) {
    if (kept.has(number) || number >= before) continue;
    await rm(path.join(places.generations, String(number)), { recursive: true, force: true });
  }
  for (const name of await namesIn(places.generations)) {
    if (/^\.\d+\.new$/.test(name)) await rm(path.join(places.generations, name), { recursive: true });
  }
  const dists = path.dirname(places.dists);
  await mkdir(dists, { recursive: true });
  for (const end of ['new', 'before']) {
    await rm(path.join(dists, `.${path.basename(places.dists)}.${end}`), { recursive: true, force: true });
  }
}
