/**
 * Which build runs where. Nothing is remembered here: a slot is taken as long as an unfinished attempt
 * names it, and two unique indexes (one attempt for a slot, one for a build) hold whatever goes wrong above.
 */
import { transaction, type Client } from '../../../shared/database/pool.ts';
import { withoutEpoch } from '../../../shared/debian/version.ts';
import { moveBuild } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import type { HostRow } from './rows.ts';

const UNIQUE_VIOLATION = '23505';

/** Slot numbers of a host that no attempt has, ascending. */
export async function freeSlots(garage: Garage, host: HostRow): Promise<number[]> {
  const { rows } = await garage.pool.query<{ slot: number }>(
    'select slot from attempts where host_id = $1 and finished_at is null',
    [host.id],
  );
  const taken = new Set(rows.map((row) => row.slot));
  return Array.from({ length: host.slots }, (_, slot) => slot).filter((slot) => !taken.has(slot));
}

/** Products of builds that a host could start now. */
export async function waitingProducts(garage: Garage, host: HostRow): Promise<string[]> {
  const { rows } = await garage.pool.query<{ product: string }>(
    `select distinct s.product
       from builds b join sources s on s.id = b.source_id
      where b.status = 'needs-build' and b.not_before <= now() and b.architecture = any($1)`,
    [host.architectures],
  );
  return rows.map((row) => row.product);
}

/**
 * Leases the next build of these products to a slot: by priority, then whichever waits longest. Returns the
 * new attempt's id; null when nothing waits, or somebody else took the slot.
 */
export async function claimBuild(
  garage: Garage,
  host: HostRow,
  slot: number,
  products: readonly string[],
): Promise<string | null> {
  try {
    return await transaction(garage.pool, (client) => claim(client, garage, host, slot, products));
  } catch (error) {
    if ((error as { code?: string }).code === UNIQUE_VIOLATION) return null;
    throw error;
  }
}

interface Waiting {
  id: string;
  architecture: string;
  product: string;
  name: string;
  version: string;
  last: number;
}

async function claim(
  client: Client,
  garage: Garage,
  host: HostRow,
  slot: number,
  products: readonly string[],
): Promise<string | null> {
  const { rows } = await client.query<Waiting>(
    `select b.id, b.architecture, s.product, s.name, s.version,
            (select coalesce(max(a.number), 0) from attempts a where a.build_id = b.id) as last
       from builds b join sources s on s.id = b.source_id
      where b.status = 'needs-build' and b.not_before <= now()
        and b.architecture = any($1) and s.product = any($2)
      order by b.priority desc, b.id
      limit 1
        for update of b skip locked`,
    [host.architectures, products],
  );
  const build = rows[0];
  if (!build) return null;
  const number = build.last + 1;
  const inserted = await client.query<{ id: string }>(
    `insert into attempts (build_id, number, host_id, slot, directory, leased_until)
     values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6)) returning id`,
    [build.id, number, host.id, slot, directoryOf(build, number), garage.config.build.leaseS],
  );
  await moveBuild(client, build.id, 'needs-build', 'building');
  return inserted.rows[0]?.id ?? null;
}

function directoryOf(build: Waiting, number: number): string {
  const version = withoutEpoch(build.version);
  return `results/${build.product}/${build.name}_${version}/${build.architecture}/${String(number)}`;
}

/**
 * What every unfinished attempt gets when the service starts: while it was away nobody renewed the leases,
 * and the runners went on.
 */
export async function renewAll(garage: Garage): Promise<void> {
  await garage.pool.query(
    `update attempts set leased_until = greatest(leased_until, now() + make_interval(secs => $1))
      where finished_at is null`,
    [garage.config.build.leaseS],
  );
}

/** Ids of attempts that are not finished, oldest first. */
export async function unfinishedAttempts(garage: Garage): Promise<string[]> {
  const { rows } = await garage.pool.query<{ id: string }>(
    'select id from attempts where finished_at is null order by started_at, id',
  );
  return rows.map((row) => row.id);
}

/**
 * Renews one lease and notes the stage. False when the attempt is no longer wanted: it is finished, or its
 * build was cancelled or superseded.
 */
export async function renewLease(garage: Garage, attemptId: string, stage: string | null): Promise<boolean> {
  const { rowCount } = await garage.pool.query(
    `update attempts a
        set leased_until = now() + make_interval(secs => $2), stage = coalesce($3, a.stage)
       from builds b
      where a.id = $1 and a.finished_at is null and b.id = a.build_id and b.status = 'building'`,
    [attemptId, garage.config.build.leaseS, stage],
  );
  return rowCount === 1;
}

/** Whether an attempt is finished, still wanted, and how long its lease lasts (negative once it is over). */
export async function leaseState(
  garage: Garage,
  attemptId: string,
): Promise<{ finished: boolean; wanted: boolean; leftMs: number }> {
  const { rows } = await garage.pool.query<{ finished: boolean; wanted: boolean; left: number }>(
    `select a.finished_at is not null as finished, b.status = 'building' as wanted,
            (extract(epoch from a.leased_until - now()) * 1000)::float8 as left
       from attempts a join builds b on b.id = a.build_id where a.id = $1`,
    [attemptId],
  );
  const row = rows[0];
  return { finished: row?.finished ?? true, wanted: row?.wanted ?? false, leftMs: row?.left ?? 0 };
}
