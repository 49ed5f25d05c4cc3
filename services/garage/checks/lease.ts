/**
 * Which check runs where. Checks have slots of their own beside those of builds, numbered from 1000, so that a
 * host with one slot goes on building meanwhile; and what only informs has others than what a build waits for, so
 * that it never holds that up. Two unique indexes, one for attempts and one for checks, hold whatever goes wrong.
 */
import { transaction, type Client } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import type { HostRow } from '../dispatch/rows.ts';

const UNIQUE_VIOLATION = '23505';
/** Above the 64 that a host may have for builds, and the one of an install check by hand. */
const BLOCKING_FROM = 1000;
const INFORMATIVE_FROM = 2000;
/** An install check takes seconds where a build takes minutes: one slot for so many of builds, at least one. */
const BUILDS_PER_CHECK = 4;

export type Lane = 'blocking' | 'informative';

/** Slot numbers that a host has for checks; one for informative ones, whatever its size. */
export function checkSlots(host: Pick<HostRow, 'slots'>, lane: Lane): number[] {
  if (lane === 'informative') return [INFORMATIVE_FROM];
  const count = Math.ceil(host.slots / BUILDS_PER_CHECK);
  return Array.from({ length: count }, (_, index) => BLOCKING_FROM + index);
}

export async function freeCheckSlots(garage: Garage, host: HostRow, lane: Lane): Promise<number[]> {
  const { rows } = await garage.pool.query<{ slot: number }>(
    `select slot from checks where host_id = $1 and status = 'running'`,
    [host.id],
  );
  const taken = new Set(rows.map((row) => row.slot));
  return checkSlots(host, lane).filter((slot) => !taken.has(slot));
}

/**
 * A build of the architecture alone waits for the one that makes the source's `all` packages, on which its own
 * may depend.
 */
const SIBLING_OPEN = `exists (
  select 1 from builds o where o.source_id = b.source_id and o.id <> b.id and o.binaries in ('all', 'both')
     and b.binaries = 'any' and o.status in ('needs-build', 'building', 'given-back', 'dep-wait'))`;

const CLAIMABLE = `c.status = 'waiting' and c.not_before <= now()
  and b.status in ('built', 'uploaded', 'installed') and (c.blocking or b.status <> 'built')
  and c.blocking = $1 and b.architecture = any($2)`;

/** Products of checks that a host could start now. */
export async function waitingCheckProducts(garage: Garage, host: HostRow, lane: Lane): Promise<string[]> {
  const { rows } = await garage.pool.query<{ product: string }>(
    `select distinct s.product
       from checks c join builds b on b.id = c.build_id join sources s on s.id = b.source_id
      where ${CLAIMABLE} and not ${SIBLING_OPEN}`,
    [lane === 'blocking', host.architectures],
  );
  return rows.map((row) => row.product);
}

export interface Claim {
  host: HostRow;
  slot: number;
  lane: Lane;
  products: readonly string[];
}

/** Leases the next check to a slot. Returns its id; null when nothing waits, or somebody else took the slot. */
export async function claimCheck(garage: Garage, claim: Claim): Promise<string | null> {
  try {
    return await transaction(garage.pool, (client) => take(client, garage, claim));
  } catch (error) {
    if ((error as { code?: string }).code === UNIQUE_VIOLATION) return null;
    throw error;
  }
}

/** A rebuild is left to another host for so long; then the one that built does it, on another slot. */
const LEFT_TO_OTHERS = '10 minutes';
const OTHER_HOST = `exists (
  select 1 from hosts h where h.id <> a.host_id and h.status = 'active' and b.architecture = any(h.architectures))`;

/** The most urgent build's first; within one, `install` before what takes longer. */
async function take(client: Client, garage: Garage, claim: Claim): Promise<string | null> {
  const { host, slot, lane, products } = claim;
  const { rows } = await client.query<{ id: string }>(
    `select c.id
       from checks c join builds b on b.id = c.build_id join sources s on s.id = b.source_id
       join attempts a on a.id = c.attempt_id
      where ${CLAIMABLE} and not ${SIBLING_OPEN} and s.product = any($3)
        and not (c.name = 'rebuild' and a.host_id = $4 and c.created_at > now() - $5::interval and ${OTHER_HOST})
      order by b.priority desc, c.name = 'install' desc, c.id
      limit 1
        for update of c skip locked`,
    [lane === 'blocking', host.architectures, products, host.id, LEFT_TO_OTHERS],
  );
  const id = rows[0]?.id;
  if (id === undefined) return null;
  await client.query(
    `update checks
        set status = 'running', host_id = $2, slot = $3, job_id = gen_random_uuid(), started_at = now(),
            leased_until = now() + make_interval(secs => $4)
      where id = $1 and status = 'waiting'`,
    [id, host.id, slot, garage.config.build.leaseS],
  );
  return id;
}

/** As dispatch/lease.ts does it for attempts. */
export async function renewAllChecks(garage: Garage): Promise<void> {
  await garage.pool.query(
    `update checks set leased_until = greatest(leased_until, now() + make_interval(secs => $1))
      where status = 'running'`,
    [garage.config.build.leaseS],
  );
}

/** Ids of checks that run, oldest first. */
export async function runningChecks(garage: Garage): Promise<string[]> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `select id from checks where status = 'running' order by started_at, id`,
  );
  return rows.map((row) => row.id);
}

/** Renews one lease. False when the job is another one by now, or nobody wants it: its build is at its end. */
export async function renewCheck(garage: Garage, id: string, jobId: string): Promise<boolean> {
  const { rowCount } = await garage.pool.query(
    `update checks c set leased_until = now() + make_interval(secs => $3)
       from builds b
      where c.id = $1 and c.job_id = $2 and c.status = 'running' and b.id = c.build_id
        and b.status in ('built', 'uploaded', 'installed')`,
    [id, jobId, garage.config.build.leaseS],
  );
  return rowCount === 1;
}

/** How long a running check's lease lasts; negative once it is over, 0 when it does not run. */
export async function checkLeaseLeftMs(garage: Garage, id: string): Promise<number> {
  const { rows } = await garage.pool.query<{ left: number }>(
    `select (extract(epoch from leased_until - now()) * 1000)::float8 as left
       from checks where id = $1 and status = 'running'`,
    [id],
  );
  return rows[0]?.left ?? 0;
}
