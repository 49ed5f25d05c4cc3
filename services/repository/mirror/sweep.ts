/** Files that no index names any more: they stay for a while, for clients that hold an older one. */
import { readdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { Pool } from '../../../shared/database/pool.ts';
import type { MirrorPlaces } from './places.ts';
import type { WantedFiles } from './want.ts';

/** At the mirror's root, beside pool files. */
const OWN_NAMES: ReadonlySet<string> = new Set(['dists', 'mirror-key.asc', 'mirror-key.gpg']);

/**
 * Notes since when files are unused and removes those that are for longer than the grace. Losing the notes is
 * safe: the grace begins anew. Returns how many files went.
 */
export async function sweepUnused(
  pool: Pool,
  mirror: string,
  places: MirrorPlaces,
  wanted: WantedFiles,
  { now, graceMs }: { now: Date; graceMs: number },
): Promise<number> {
  const unused = (await filesBelow(places.root, '')).filter((file) => !wanted.has(file));
  await noteUnused(pool, mirror, unused, now);
  const { rows } = await pool.query<{ path: string }>(
    `select path from mirror_files where mirror = $1 and unused_since <= $2`,
    [mirror, new Date(now.getTime() - graceMs)],
  );
  const due = new Set(rows.map((row) => row.path));
  const gone = unused.filter((file) => due.has(file));
  for (const file of gone) {
    await rm(path.join(places.root, file), { force: true });
    await removeEmptyFolders(places.root, path.dirname(file));
  }
  await pool.query('delete from mirror_files where mirror = $1 and path = any($2::text[])', [mirror, gone]);
  return gone.length;
}

async function noteUnused(pool: Pool, mirror: string, unused: string[], now: Date): Promise<void> {
  await pool.query(
    `insert into mirror_files (mirror, path, size, mtime_ms, checksum, unused_since)
     select $1, unused, 0, 0, '', $3 from unnest($2::text[]) as unused
     on conflict (mirror, path) do update set unused_since = coalesce(mirror_files.unused_since, $3)`,
    [mirror, unused, now],
  );
  // What is used again, and what is not there any more.
  await pool.query(
    `update mirror_files set unused_since = null
      where mirror = $1 and unused_since is not null and not path = any($2::text[])`,
    [mirror, unused],
  );
}

async function filesBelow(root: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.name.startsWith('.') || (folder === '' && OWN_NAMES.has(entry.name))) continue;
    if (entry.isDirectory()) found.push(...(await filesBelow(root, name)));
    else found.push(name);
  }
  return found;
}

async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  for (let at = folder; at !== '.' && at !== ''; at = path.dirname(at)) {
    try {
      await rmdir(path.join(root, at));
    } catch {
      return; // not empty
    }
  }
}
