/**
 * Which build runs where. Nothing is remembered here: a slot is taken as long as an unfinished attempt
 * names it, and two unique indexes (one attempt for a slot, one for a build) hold whatever goes wrong above.
 */
import { transaction, type Client, type Queryable } from '../../../shared/database/pool.ts';
import { withoutEpoch } from '../../../shared/debian/version.ts';
import { moveBuild } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import type { HostRow } from './rows.ts';

const UNIQUE_VIOLATION = '23505';

/** By host id, slot numbers that no attempt has, ascending. */
export async function freeSlots(
  database: Queryable,
  hosts: readonly HostRow[],
): Promise<Map<string, number[]>> {
  const { rows } = await database.query<{ host: string; slot: number }>(
    'select host_id as host, slot from attempts where finished_at is null',
  );
  const taken = new Set(rows.map(({ host, slot }) => `${host} ${String(slot)}`));
  return new Map(
    hosts.map(({ id, slots }) => [
      id,
      Array.from({ length: slots }, (_, slot) => slot).filter((slot) => !taken.has(`${id} ${String(slot)}`)),
    ]),
  );
}

/** What a slot may be given. */
export interface Choice {
  /** Names of lanes that the host can build. */
  lanes: readonly string[];
  /** Of these, the lanes that no other host can build. */
  soleLanes: readonly string[];
}

/**
 * Leases the next build of these lanes to a slot. Returns the new attempt's id; null when nothing waits, or
 * somebody else took the slot.
 */
export async function claimBuild(
  garage: Garage,
  host: HostRow,
  slot: number,
  choice: Choice,
): Promise<string | null> {
  try {
    return await transaction(garage.pool, (client) => claim(client, garage, host, slot, choice));
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

/** A build that was given back waits this long for another host before its last one may try again. */
const AVOIDED_FOR_S = 600;

/**
 * The next build: by priority; between lanes whoever has least running; within a lane by turn. One look at
 * the index for each lane, whatever waits there. Locks what it looked at until the transaction ends.
 */
export async function pickBuild(
  client: Queryable,
  hostId: string,
  choice: Choice,
): Promise<Waiting | undefined> {
  const { rows } = await client.query<Waiting>(
    `with running as (
       select b.account_id, count(*) as count
         from attempts a join builds b on b.id = a.build_id
        where a.finished_at is null group by b.account_id)
     select h.id, h.architecture, h.product, s.name, s.version,
            (select coalesce(max(a.number), 0) from attempts a where a.build_id = h.id) as last
       from unnest($1::text[]) l (lane)
      cross join lateral (
        select * from builds b
         where b.lane = l.lane and b.status = 'needs-build' and not b.held and b.not_before <= now()
           and (b.avoid_host_id is distinct from $2 or l.lane = any($3)
                or b.not_before < now() - make_interval(secs => $4))
         order by b.priority desc, b.turn, b.id
         limit 1
           for update skip locked) h
       join sources s on s.id = h.source_id
       left join running r on r.account_id = h.account_id
      order by h.priority desc, coalesce(r.count, 0), h.id
      limit 1`,
    [choice.lanes, hostId, choice.soleLanes, AVOIDED_FOR_S],
  );
  return rows[0];
}

async function claim(
  client: Client,
  garage: Garage,
  host: HostRow,
  slot: number,
  choice: Choice,
): Promise<string | null> {
  const build = await pickBuild(client, host.id, choice);
  if (!build) return null;
  const number = build.last + 1;
  // Somebody may have drained the host since it was looked at.
  const inserted = await client.query<{ id: string }>(
    `insert into attempts (build_id, number, host_id, slot, directory, leased_until)
     select $1, $2, id, $4, $5, now() + make_interval(secs => $6) from hosts where id = $3 and status = 'active'
     returning id`,
    [build.id, number, host.id, slot, directoryOf(build, number), garage.config.build.leaseS],
  );
  const [attempt] = inserted.rows;
  if (!attempt) return null;
  await moveBuild(client, build.id, 'needs-build', 'building');
  // Nobody makes a build wait that runs already.
  await client.query('delete from build_needs where build_id = $1', [build.id]);
  return attempt.id;
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
