/**
 * Rows of `pool_unused`: files that nothing needs, since when, and when they were removed.
 *
 *   (needed) -> unused -> removed -> (needed again: the row goes)
 */
import type { Queryable } from '../../../shared/database/pool.ts';

interface At {
  queue: string;
  product: string;
}

/** Files removed from staging stay known so long; a target that was away for longer is for `check`. */
const REMOVED_KEPT = '30 days';

export interface UnusedFile {
  path: string;
  /** Bytes, as recorded when it came. */
  size: number;
  unusedSince: Date;
  removedAt: Date | null;
}

/** Of `paths`, those that the database knows, with since when they are unused (`now` for new ones). */
export async function describeUnused(
  database: Queryable,
  at: At,
  paths: readonly string[],
): Promise<UnusedFile[]> {
  const { rows } = await database.query<UnusedFile>(
    `select f.path, f.size::float8 as size, coalesce(u.unused_since, now()) as "unusedSince", u.removed_at as "removedAt"
       from pool_files f
       left join pool_unused u on u.queue = $1 and u.product = $2 and u.path = f.path
      where f.product = $2 and f.path = any($3::text[]) order by f.path`,
    [at.queue, at.product, paths],
  );
  return rows;
}

/**
 * Files that were in the queue's indexes less than `graceMs` ago, with when they left: a row of an earlier
 * time must not shorten their grace.
 */
export async function recentlyLeft(database: Queryable, at: At, graceMs: number): Promise<Map<string, Date>> {
  const { rows } = await database.query<{ path: string; leftAt: Date }>(
    `select file as path, max(g.staged_at) as "leftAt"
       from generations g
       join generation_changes c on c.generation_id = g.id and c.change = '-'
       join packages p on p.id = c.package_id
       cross join unnest(p.files) as file
      where g.queue = $1 and g.product = $2 and g.staged_at > now() - $3 * interval '1 millisecond'
      group by file`,
    [at.queue, at.product, graceMs],
  );
  return new Map(rows.map((row) => [row.path, row.leftAt]));
}

/** Begins the grace time of files that are unused now; one that began before goes on. */
export async function noteUnused(database: Queryable, at: At, paths: readonly string[]): Promise<void> {
  await database.query(
    `insert into pool_unused (queue, product, path) select $1, $2, unnest($3::text[]) on conflict do nothing`,
    [at.queue, at.product, paths],
  );
}

/** Forgets what is not unused any more (`unused`: what is), and what was removed long ago. */
export async function forgetUnused(database: Queryable, at: At, unused: readonly string[]): Promise<void> {
  await database.query(
    `delete from pool_unused u where u.queue = $1 and u.product = $2 and not u.path = any($3::text[])
       and (u.removed_at is null or u.removed_at < now() - $4::interval
            or exists (select 1 from kept_files k
                        where k.queue = u.queue and k.product = u.product and k.path = u.path))`,
    [at.queue, at.product, unused, REMOVED_KEPT],
  );
}

/** The intent, before the files go. */
export async function markRemoved(database: Queryable, at: At, paths: readonly string[]): Promise<void> {
  await database.query(
    `update pool_unused set removed_at = now()
      where queue = $1 and product = $2 and path = any($3::text[]) and removed_at is null`,
    [at.queue, at.product, paths],
  );
}
