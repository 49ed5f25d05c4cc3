/**
 * Snapshots below a target that is a folder: the same links as in staging, `<queue>/snapshot/<timestamp>/`
 * with `pool` and `dists/<product>`, beside the list of them.
 */
import { lstat, mkdir, rename, rm, rmdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../../shared/errors/app-error.ts';
import { fsyncDirectory } from '../../../../shared/files/durable.ts';
import { rootFiles, type SyncJob } from '../job.ts';
import { placeGeneration } from './generation.ts';
import type { LocalPlaces } from './local.ts';
import { namesIn, type Placer } from './place.ts';
import { snapshotsIn } from './snapshot-links.ts';

/** Brings what is new, then the list, and takes away what staging has no more. */
export async function placeSnapshots(placer: Placer, places: LocalPlaces, job: SyncJob): Promise<void> {
  const source = path.join(job.root, 'snapshot');
  const target = path.join(places.queue, 'snapshot');
  const wanted = await snapshotsIn(source, job.product);
  const there = await snapshotsIn(target, job.product);
  for (const [name, number] of wanted) {
    if (there.get(name) === number && job.mode === 'changed') continue;
    if (number > job.number) continue; // its pool files come with its own sync
    if (!(await isFolder(path.join(job.generations, String(number))))) continue; // just dropped
    await placeGeneration(placer, places, job, number);
    await linkSnapshot(placer, path.join(target, name), job.product, number);
    await job.step('sync-snapshot-linked');
  }
  for (const name of await rootFiles(source)) {
    await placer.file(path.join(source, name), path.join(target, name));
  }
  for (const name of there.keys()) {
    if (!wanted.has(name)) await unlinkSnapshot(path.join(target, name), job.product);
  }
}

async function linkSnapshot(placer: Placer, folder: string, product: string, number: number): Promise<void> {
  const dists = path.join(folder, 'dists');
  await placer.folder(dists);
  await symlink(path.join('..', '..', 'pool'), path.join(folder, 'pool')).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error;
  });
  const temporary = path.join(dists, `.${product}.new`);
  await mkdir(dists, { recursive: true });
  await rm(temporary, { force: true });
  await symlink(path.join('..', '..', '..', 'generations', product, String(number)), temporary);
  await rename(temporary, path.join(dists, product));
  await fsyncDirectory(dists);
}

/** Takes the product out, and the snapshot with its last product. */
async function unlinkSnapshot(folder: string, product: string): Promise<void> {
  await rm(path.join(folder, 'dists', product), { force: true });
  await rm(path.join(folder, 'dists', `.${product}.new`), { force: true });
  const others = await namesIn(path.join(folder, 'dists'));
  if (others.length > 0) return;
  await rm(path.join(folder, 'pool'), { force: true });
  for (const each of [path.join(folder, 'dists'), folder]) {
    await rmdir(each).catch((error: unknown) => {
      if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
    });
  }
}

async function isFolder(folder: string): Promise<boolean> {
  return (await lstat(folder).catch(() => null))?.isDirectory() ?? false;
}
