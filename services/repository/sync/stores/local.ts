/**
 * A folder of this machine, in the shape that staging has: generations are folders of hard links,
 * `dists/<product>` is a symlink to one of them, switched by one rename. So whoever reads it sees the old
 * state or the new one, with by-hash or without, and a sync costs what changed.
 *
 * by-hash folders of all generations are one, `generations/<product>/common/`: what a client's older
 * InRelease names is still found below the same path.
 */
import { lstat, mkdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../../shared/errors/app-error.ts';
import { fsyncDirectory } from '../../../../shared/files/durable.ts';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import { filesBelow, rootFiles, sizesBelow, type Sent, type SyncJob, type TargetStore } from '../job.ts';
import type { Target } from '../targets.ts';
import { checkFolder, diskFull, notWritable } from './check-folder.ts';
import { placeGeneration, removeGenerations } from './generation.ts';
import { Placer } from './place.ts';
import { placeSnapshots } from './snapshots.ts';

/** Links made at once: a disk that is asked for several answers sooner. */
const LINKS_AT_ONCE = 16;

/** Where a product of a queue lies below a target that is a folder. */
export interface LocalPlaces {
  root: string;
  queue: string;
  pool: string;
  dists: string;
  generations: string;
  common: string;
}

export function localPlaces(root: string, at: { queue: string; product: string }): LocalPlaces {
  const queue = joinInside(root, at.queue);
  const generations = path.join(queue, 'generations', at.product);
  return {
    ...{ root, queue, generations, common: path.join(generations, 'common') },
    pool: path.join(queue, 'pool', at.product),
    dists: path.join(queue, 'dists', at.product),
  };
}

export function localStore(target: Target, root: string): TargetStore {
  return {
    check: (job) => checkFolder(target, root, job),
    send: (job) => send(target, localPlaces(root, job), job).catch((error: unknown) => fail(root, error)),
    list: (folder) => filesBelow(joinInside(root, folder)),
    sizes: (folder) => sizesBelow(joinInside(root, folder)),
    remove: (files) => removeFiles(root, files),
    hashedRoot: ({ queue, product }) => path.join(queue, 'generations', product, 'common'),
    tidy: (job) => removeGenerations(localPlaces(root, job), job),
  };
}

async function send(target: Target, places: LocalPlaces, job: SyncJob): Promise<Sent> {
  const placer = new Placer(places.root, job.mode === 'verify');
  for (const [from, to] of [
    [job.staging, places.root],
    [job.root, places.queue],
  ] as const) {
    for (const name of await rootFiles(from)) await placer.file(path.join(from, name), path.join(to, name));
  }
  await placePool(placer, places, job);
  await placer.settle();
  await job.step('sync-pool');
  await placeGeneration(placer, places, job, job.number);
  await placer.settle();
  await job.step('sync-indexes');
  await switchDists(places, job.number);
  await job.step('sync-switched');
  if (target.snapshots) {
    await placeSnapshots(placer, places, job);
    await placer.settle();
    await job.step('sync-snapshots');
  }
  return placer.sent;
}

/** What the disk says, in the words of every target. */
function fail(root: string, error: unknown): never {
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) throw diskFull(root, 'what was to be written did not fit', error);
  if (hasErrno(error, 'EROFS', 'EACCES')) throw notWritable(root, error);
  throw error;
}

/** New files only, or all of them: then what is there is looked at too. */
async function placePool(placer: Placer, places: LocalPlaces, job: SyncJob): Promise<void> {
  const files = job.poolFiles ?? (await filesBelow(job.pool)).map((file) => ({ path: file, required: true }));
  await placer.folder(places.pool);
  const rest = files.values();
  const linkRest = async (): Promise<void> => {
    for (const file of rest) {
      try {
        await placer.file(joinInside(job.pool, file.path), joinInside(places.pool, file.path));
      } catch (error) {
        if (file.required || !hasErrno(error, 'ENOENT')) throw error;
      }
      await job.step('sync-pool-file');
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: LINKS_AT_ONCE }, linkRest));
  const failed = ended.find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Points `dists/<product>` at the generation by one rename. */
async function switchDists(places: LocalPlaces, number: number): Promise<void> {
  const folder = path.dirname(places.dists);
  const link = path.relative(folder, path.join(places.generations, String(number)));
  if ((await readlink(places.dists).catch(() => null)) === link) return;
  const temporary = path.join(folder, `.${path.basename(places.dists)}.new`);
  await mkdir(folder, { recursive: true });
  await rm(temporary, { force: true });
  await symlink(link, temporary);
  await putAside(places.dists);
  await rename(temporary, places.dists);
  await fsyncDirectory(folder);
}

/** A folder of an installation that copied indexes; only then there is a moment without them, once. */
async function putAside(dists: string): Promise<void> {
  const found = await lstat(dists).catch(() => null);
  if (!found?.isDirectory()) return;
  const aside = path.join(path.dirname(dists), `.${path.basename(dists)}.before`);
  await rm(aside, { recursive: true, force: true });
  await rename(dists, aside);
}

async function removeFiles(root: string, files: readonly string[]): Promise<void> {
  for (const file of files) await rm(joinInside(root, file), { force: true });
}
