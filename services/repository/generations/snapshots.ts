/**
 * Kept generations as repositories of their own: `<queue>/snapshot/<timestamp>/`, links to what is there
 * anyway. Which are kept is decided in the database first (`generations.dropped_at`), so the pool knows what
 * they need; folders and links follow, at each publish and at each sweep.
 *
 * A snapshot holds the products that were published at its time: `pool -> ../../pool` and
 * `dists/<product> -> ../../../generations/<product>/<number>`.
 */
import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import type { Queryable } from '../../../shared/database/pool.ts';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import { fsyncDirectory } from '../../../shared/files/durable.ts';
import { snapshotName } from '../../../shared/protocol/generation-history.ts';
import type { RepositoryConfig } from '../config.ts';
import type { Repository } from '../context.ts';
import type { QueueLock } from '../locks.ts';
import { placesOf, type QueuePlaces } from '../places.ts';
import { generationFolder, isWritten } from './tree.ts';
import { writeSnapshotIndex } from './snapshot-index.ts';

/** Bounds what `days` keeps: each is a folder that is looked at in every sweep. */
const MAX_KEPT = 2_000;

/** `staging/<queue>/snapshot` */
export function snapshotsFolder(places: QueuePlaces): string {
  return path.join(places.root, 'snapshot');
}

/** What the configuration says of a queue. */
export function snapshotKeeping(config: RepositoryConfig, queue: string): { keep: number; days: number } {
  const { keep, days, queues } = config.snapshots;
  return { keep: queues[queue]?.keep ?? keep, days: queues[queue]?.days ?? days };
}

/**
 * Lets go of generations that are past their time and makes folders, links and the list of snapshots what the
 * database says. Does nothing when all is so already. The caller holds the `publish` lock.
 */
export async function arrangeSnapshots(repository: Repository, lock: QueueLock): Promise<void> {
  const places = placesOf(repository.home, lock.queue, lock.product);
  if ((await dropOld(repository, lock)) > 0) await repository.step('generations-dropped');
  const kept = await presentGenerations(repository, lock, places);
  await withSnapshotsLock(lock, async () => {
    if (await arrangeLinks(places, lock.product, kept)) await repository.step('snapshots-linked');
    const names = { archive: repository.common.name, queue: lock.queue };
    const listed = await writeSnapshotIndex(lock.client, snapshotsFolder(places), names);
    if (listed) await repository.step('snapshots-listed');
  });
  if (await removeDropped(places, kept)) await repository.step('generations-removed');
}

/**
 * Marks what is past its time; the newest of all is never. What was only signed anew does not count, or a quiet queue
 * would lose its past to renewals. Looks at kept ones only: the history may be long.
 */
async function dropOld(repository: Repository, lock: QueueLock): Promise<number> {
  const { keep, days } = snapshotKeeping(repository.config, lock.queue);
  const { rowCount } = await lock.client.query(
    `with own as (
       select id, number, cause <> 'renewal' as counted, coalesce(dated_at, created_at) as at from generations
        where queue = $1 and product = $2 and status <> 'preparing' and dropped_at is null),
     edge as (
       select coalesce((select number from own where counted order by number desc offset $3 - 1 limit 1), 0) as number,
              (select max(number) from own) as newest)
     update generations g set dropped_at = $6
       from own, edge
      where own.id = g.id and own.number < edge.newest
        and ((own.number < edge.number and own.at <= $6::timestamptz - $4::float8 * interval '1 day')
             or own.number <= edge.newest - $5::int)`,
    [lock.queue, lock.product, keep, days, MAX_KEPT, repository.now()],
  );
  return rowCount ?? 0;
}

export interface KeptGeneration {
  number: number;
  datedAt: Date | null;
}

/** Generations whose folders stay, the oldest first. */
export async function keptGenerations(
  database: Queryable,
  at: { queue: string; product: string },
): Promise<KeptGeneration[]> {
  const { rows } = await database.query<KeptGeneration>(
    `select number, dated_at as "datedAt" from generations
      where queue = $1 and product = $2 and status <> 'preparing' and dropped_at is null order by number`,
    [at.queue, at.product],
  );
  return rows;
}

/** Those of them that are there; one whose folder was lost is a snapshot no more. */
async function presentGenerations(
  repository: Repository,
  lock: QueueLock,
  places: QueuePlaces,
): Promise<KeptGeneration[]> {
  const present: KeptGeneration[] = [];
  for (const each of await keptGenerations(lock.client, lock)) {
    if (await isWritten(places, each.number)) {
      present.push(each);
      continue;
    }
    repository.log.warn({ queue: lock.queue, product: lock.product, number: each.number }, 'generation lost');
    await lock.client.query(
      'update generations set dropped_at = $4 where queue = $1 and product = $2 and number = $3',
      [lock.queue, lock.product, each.number, repository.now()],
    );
  }
  return present;
}

/** True when something was changed. Other products' links are theirs. */
async function arrangeLinks(
  places: QueuePlaces,
  product: string,
  kept: readonly KeptGeneration[],
): Promise<boolean> {
  const folder = snapshotsFolder(places);
  const wanted = new Map(
    kept.flatMap(({ number, datedAt }) => (datedAt ? [[snapshotName(datedAt), number] as const] : [])),
  );
  let changed = false;
  for (const [name, number] of wanted) {
    if (await linkSnapshot(path.join(folder, name), product, number)) changed = true;
  }
  const there = (await readdir(folder).catch(() => [])).filter((name) => /^\d{8}T\d{6}Z$/.test(name));
  for (const name of there.filter((each) => !wanted.has(each))) {
    if (await unlinkSnapshot(path.join(folder, name), product)) changed = true;
  }
  if (changed) await fsyncDirectory(folder);
  return changed;
}

async function linkSnapshot(snapshot: string, product: string, number: number): Promise<boolean> {
  const link = path.join(snapshot, 'dists', product);
  const target = path.join('..', '..', '..', 'generations', product, String(number));
  if ((await readlink(link).catch(() => null)) === target) return false;
  await mkdir(path.dirname(link), { recursive: true });
  await symlink(path.join('..', '..', 'pool'), path.join(snapshot, 'pool')).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error;
  });
  const temporary = path.join(snapshot, 'dists', `.${product}.new`);
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, link);
  return true;
}

/** Takes the product out of the snapshot, and the snapshot with its last product. */
async function unlinkSnapshot(snapshot: string, product: string): Promise<boolean> {
  const dists = path.join(snapshot, 'dists');
  const others = (await readdir(dists).catch(() => [])).filter(
    (name) => name !== product && name !== `.${product}.new`,
  );
  if (others.length === 0) {
    await rm(snapshot, { recursive: true, force: true });
    return true;
  }
  const link = path.join(dists, product);
  if ((await readlink(link).catch(() => null)) === null) return false;
  await rm(link);
  return true;
}

/**
 * All products of a queue share its snapshots, so their writers take turns: who comes later sees what the one
 * before committed and made.
 */
async function withSnapshotsLock(lock: QueueLock, work: () => Promise<void>): Promise<void> {
  const key = `autobuilder repository snapshots ${lock.queue}`;
  await lock.client.query('select pg_advisory_lock(hashtextextended($1, 0))', [key]);
  try {
    await work();
  } finally {
    await lock.client
      .query('select pg_advisory_unlock(hashtextextended($1, 0))', [key])
      .catch(() => undefined);
  }
}

/** Removes the folders of generations that are not kept; what is being prepared is newer than all of them. */
async function removeDropped(places: QueuePlaces, kept: readonly KeptGeneration[]): Promise<boolean> {
  const numbers = new Set(kept.map((each) => each.number));
  const newest = kept.at(-1)?.number ?? 0;
  let changed = false;
  for (const name of await readdir(places.generations).catch(() => [])) {
    const number = Number(name);
    if (!Number.isInteger(number) || number >= newest || numbers.has(number)) continue;
    await rm(generationFolder(places, number), { recursive: true, force: true });
    changed = true;
  }
  return changed;
}
