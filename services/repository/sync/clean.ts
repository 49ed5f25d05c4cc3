/**
 * What is gone from staging goes from a target too, last and later: by-hash files a day after no index that
 * is kept names them, pool files once they were gone for the pool's grace time. When a file went out of use
 * is noted beside staging. Losing the notes is safe: the time begins anew.
 *
 * Architecture invariant: whether a file may go is asked of staging and of the database at the time it goes,
 * never of notes.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { filesBelow, type SyncJob, type TargetStore } from './job.ts';
import { snapshotsIn } from './stores/snapshot-links.ts';

/** Looks for what is gone are this far apart: nobody waits for them, and a listing costs. */
export const CLEAN_EVERY_MS = 3600_000;

export interface CleanTimes {
  now: Date;
  byHashKeptMs: number;
  poolKeptMs: number;
}

/** Path below the target's root -> milliseconds since 1970 when it was first seen out of use. */
const notesSchema = z.record(z.string(), z.number());
type Notes = z.infer<typeof notesSchema>;

/** Removes what is past its time, notes the rest; gives the number of files removed. */
export async function cleanTarget(
  database: Queryable,
  store: TargetStore,
  job: SyncJob,
  notesFile: string,
  times: CleanTimes,
): Promise<number> {
  await store.tidy(job);
  const before = await readNotes(notesFile);
  const hashed = split(await unusedHashes(store, job), before, times.now, times.byHashKeptMs);
  const pool = split(await unusedPool(database, store, job), before, times.now, times.poolKeptMs);
  const gone = [...hashed.over, ...pool.over];
  await store.remove(gone);
  const after = { ...hashed.waiting, ...pool.waiting };
  if (JSON.stringify(after) !== JSON.stringify(before)) {
    await writeFileDurably(notesFile, `${JSON.stringify(after)}\n`);
  }
  return gone.length;
}

/** by-hash files there that no generation names which clients can see. */
async function unusedHashes(store: TargetStore, job: SyncJob): Promise<string[]> {
  const root = store.hashedRoot(job);
  const shown = (await snapshotsIn(path.join(job.root, 'snapshot'), job.product)).values();
  const used = new Set<string>();
  for (const number of new Set([...shown, job.number])) {
    for (const file of await filesBelow(path.join(job.generations, String(number)))) {
      if (isHashed(file)) used.add(file);
    }
  }
  const there = (await store.list(root)).filter(isHashed);
  return there.filter((file) => !used.has(file)).map((file) => path.join(root, file));
}

function isHashed(file: string): boolean {
  return path.basename(path.dirname(path.dirname(file))) === 'by-hash';
}

/** Pool files there that staging has no more and that nothing kept needs. */
async function unusedPool(database: Queryable, store: TargetStore, job: SyncJob): Promise<string[]> {
  const root = path.join(job.queue, 'pool', job.product);
  const staged = new Set(await filesBelow(job.pool));
  const gone = (await store.list(root)).filter((file) => !staged.has(file));
  if (gone.length === 0) return [];
  const { rows } = await database.query<{ path: string }>(
    'select path from kept_files where queue = $1 and product = $2 and path = any($3::text[])',
    [job.queue, job.product, gone],
  );
  if (rows.length > 0) {
    const message = `${String(rows.length)} files that are needed are not in staging, first ${rows[0]?.path ?? ''}`;
    throw new AppError('pool-file-missing', message, {
      hint: 'Nothing is removed from live; see: autobuilder check.',
    });
  }
  return gone.map((file) => path.join(root, file));
}

function split(
  unused: readonly string[],
  notes: Notes,
  now: Date,
  keptMs: number,
): { over: string[]; waiting: Notes } {
  const over: string[] = [];
  const waiting: Notes = {};
  for (const file of unused) {
    const since = notes[file] ?? now.getTime();
    if (now.getTime() - since > keptMs) over.push(file);
    else waiting[file] = since;
  }
  return { over, waiting };
}

async function readNotes(file: string): Promise<Notes> {
  const text = await readFile(file, 'utf8').catch(() => '{}');
  try {
    return notesSchema.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
