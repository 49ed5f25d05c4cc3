/** What the database says of a product in a queue: what must be there. */
import type { Queryable } from '../../../../shared/database/pool.ts';
import { poolPath } from '../../../../shared/debian/pool-path.ts';
import { neededFiles, type Need } from '../needed.ts';
import type { Expected } from './sums.ts';

interface At {
  queue: string;
  product: string;
}

export interface Recorded extends Expected {
  recordedAt: Date;
}

export interface GenerationFact {
  number: number;
  status: 'preparing' | 'staged' | 'live';
  stagedAt: Date | null;
  isKept: boolean;
}

export interface Facts {
  /** Every name that the product ever had in a pool. */
  recorded: ReadonlyMap<string, Recorded>;
  /** What this queue's pool must hold. */
  needed: ReadonlyMap<string, Need>;
  /** Every generation; the newest last. */
  generations: GenerationFact[];
  /** What rqp last brought to each target, by name. */
  synced: ReadonlyMap<string, number | null>;
}

export async function readFacts(database: Queryable, at: At): Promise<Facts> {
  const needed = await neededFiles(database, at);
  for (const path of await buildinfoFiles(database, at)) needed.set(path, needed.get(path) ?? 'kept');
  return {
    needed,
    recorded: await recordedFiles(database, at.product),
    generations: await generationFacts(database, at),
    synced: await syncedGenerations(database, at),
  };
}

/** Of the newest generation that was staged, or null. */
export function newestNumber({ generations }: Facts): number | null {
  return generations.findLast((each) => each.status !== 'preparing')?.number ?? null;
}

async function recordedFiles(database: Queryable, product: string): Promise<Map<string, Recorded>> {
  const { rows } = await database.query<Recorded & { path: string }>(
    `select path, size::float8 as size, sha256, created_at as "recordedAt" from pool_files where product = $1`,
    [product],
  );
  return new Map(rows.map(({ path, ...recorded }) => [path, recorded]));
}

async function generationFacts(database: Queryable, at: At): Promise<GenerationFact[]> {
  const { rows } = await database.query<GenerationFact>(
    `select number, status, staged_at as "stagedAt", dropped_at is null as "isKept" from generations
      where queue = $1 and product = $2 order by number`,
    [at.queue, at.product],
  );
  return rows;
}

/** How what came to this queue was built: kept for ever. */
async function buildinfoFiles(database: Queryable, at: At): Promise<string[]> {
  const { rows } = await database.query<{ component: string; source: string; name: string }>(
    `select s.manifest->>'component' as component, s.source, f->>'name' as name
       from sets s cross join jsonb_array_elements(s.manifest->'files') f
      where s.queue = $1 and s.product = $2 and s.status = 'installed' and f->>'name' like '%.buildinfo'`,
    [at.queue, at.product],
  );
  return rows.map((row) => poolPath(row.component, row.source, row.name));
}

async function syncedGenerations(database: Queryable, at: At): Promise<Map<string, number | null>> {
  const { rows } = await database.query<{ target: string; generation: number | null }>(
    'select target, generation from sync_states where queue = $1 and product = $2',
    [at.queue, at.product],
  );
  return new Map(rows.map((row) => [row.target, row.generation]));
}
