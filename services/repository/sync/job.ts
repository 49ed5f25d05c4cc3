/** What a sync brings to a target, and what every kind of target can do. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Queryable } from '../../../shared/database/pool.ts';

/**
 * `changed`: what came since the generation that is there. `full`: everything, compared by size and time.
 * `verify`: everything, compared by content.
 */
export type SyncMode = 'changed' | 'full' | 'verify';

export interface PoolFile {
  /** Below pool/<product>/. */
  path: string;
  /** False for what has left the queue again: it may be gone from staging too. */
  required: boolean;
}

export interface SyncJob {
  queue: string;
  product: string;
  mode: SyncMode;
  /** `staging`; what clients find beside the queues lies at its root. */
  staging: string;
  /** `staging/<queue>` */
  root: string;
  /** Of the product, in staging. */
  pool: string;
  /** The generation's folder, and the folder of its siblings. */
  generation: string;
  generations: string;
  number: number;
  /** The number of the one that the target has; null when nothing is known. */
  before: number | null;
  /** What came to the pool since then; null: compare the whole pool. */
  poolFiles: readonly PoolFile[] | null;
  step(name: string): Promise<void>;
}

/** What was moved. */
export interface Sent {
  files: number;
  bytes: number;
}

/** A place that can hold a live repository. Every method throws an AppError that says what is wrong there. */
export interface TargetStore {
  /** Before the first byte: reachable, there, writable, room enough. */
  check(job: SyncJob): Promise<void>;
  /** Brings it up to the job's generation, InRelease last; to be repeated as a whole after any failure. */
  send(job: SyncJob): Promise<Sent>;
  /** Files below a folder of the target, relative to it, sorted; a folder that is not there is empty. */
  list(folder: string): Promise<string[]>;
  /** The same with each file's size in bytes. */
  sizes(folder: string): Promise<Map<string, number>>;
  /** Removes files, relative to the target's root; what is gone already is fine. */
  remove(files: readonly string[]): Promise<void>;
  /** Where `by-hash` folders of the product's indexes lie, relative to the target's root. */
  hashedRoot(at: { queue: string; product: string }): string;
  /** Removes index files (not by-hash) and folders that the generation has not. */
  tidy(job: SyncJob): Promise<void>;
}

/** Packages' files that came to the queue after generation `before`, up to `number`; null when not known. */
export async function changedPoolFiles(
  database: Queryable,
  at: { queue: string; product: string },
  before: number,
  number: number,
): Promise<PoolFile[] | null> {
  const range = [at.queue, at.product, before, number];
  const unknown = await database.query(
    `select from generations where queue = $1 and product = $2 and number > $3 and number <= $4
        and not changes_known limit 1`,
    range,
  );
  if (unknown.rows.length > 0) return null;
  const { rows } = await database.query<PoolFile>(
    `with changes as (
       select c.package_id, c.change, g.number from generation_changes c
         join generations g on g.id = c.generation_id
        where g.queue = $1 and g.product = $2 and g.number > $3 and g.number <= $4),
     last as (select distinct on (package_id) package_id, change from changes order by package_id, number desc)
     select file as path, bool_or(l.change = '+') as required
       from last l join packages p on p.id = l.package_id cross join unnest(p.files) as file
      where exists (select from changes c where c.package_id = l.package_id and c.change = '+')
      group by file order by file`,
    range,
  );
  return rows;
}

/** Files that lie directly at a root of staging and are for clients: keys, lists. Never hidden ones. */
export async function rootFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .toSorted();
}

/** Every file below a folder, relative to it, sorted, without hidden ones; a folder that is not there is empty. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .toSorted();
}

/** The same with each file's size in bytes. */
export async function sizesBelow(folder: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const file of await filesBelow(folder)) {
    const found = await stat(path.join(folder, file)).catch(() => null);
    if (found) sizes.set(file, found.size);
  }
  return sizes;
}
