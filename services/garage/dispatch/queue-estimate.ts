/**
 * When a build that waits may start. A guess that is honest about the order of size: what is before it takes
 * the product's typical time each, and the slots that can build it work on nothing else.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import { typicalOfProduct } from './estimates.ts';
import { canBuild, parseLane } from './lanes.ts';
import { activeHosts } from './rows.ts';
import type { WaitingBuild } from './why.ts';

export interface QueueEstimate {
  /** Builds in its lane that are before it. */
  ahead: number;
  /** Now, where a slot is free and nothing is before it. */
  startsAt: Date;
}

interface Running {
  product: string;
  architecture: string;
  sinceS: number;
}

/** For a build in `needs-build` that is not held and that some active host can build. */
export async function queueEstimate(database: Queryable, build: WaitingBuild): Promise<QueueEstimate> {
  const { rows } = await database.query<{ ahead: number }>(
    `select count(*)::int as ahead from builds
      where lane = $1 and status = 'needs-build' and not held
        and (priority > $2 or priority = $2 and (turn, id) < ($3::bigint, $4::bigint))`,
    [build.lane, build.priority, build.turn, build.id],
  );
  const ahead = rows[0]?.ahead ?? 0;
  const lane = parseLane(build.lane);
  const hosts = (await activeHosts(database)).filter((host) => canBuild(host, lane));
  const slots = hosts.reduce((sum, host) => sum + host.slots, 0);
  const running = await runningOn(
    database,
    hosts.map(({ id }) => id),
  );
  if (slots > running.length && ahead < slots - running.length) return { ahead, startsAt: new Date() };
  const each = await typicalOfProduct(database, lane.product, lane.architecture);
  const left = running.map(({ sinceS }) => Math.max(each - sinceS, 0)).sort((a, b) => a - b);
  const waitS = timeUntilFree(left, slots, ahead, each);
  return { ahead, startsAt: new Date(Date.now() + waitS * 1000) };
}

/**
 * Seconds until the build after `ahead` others gets a slot, when slots come free after `left` seconds
 * (ascending) and every build takes `each`.
 */
export function timeUntilFree(left: readonly number[], slots: number, ahead: number, each: number): number {
  if (slots === 0) return Number.POSITIVE_INFINITY;
  const free = [...Array<number>(Math.max(slots - left.length, 0)).fill(0), ...left];
  const rounds = Math.floor(ahead / free.length);
  return (free[ahead % free.length] ?? 0) + rounds * each;
}

async function runningOn(database: Queryable, hostIds: string[]): Promise<Running[]> {
  const { rows } = await database.query<Running>(
    `select b.product, b.architecture, extract(epoch from now() - a.started_at)::float8 as "sinceS"
       from attempts a join builds b on b.id = a.build_id
      where a.finished_at is null and a.host_id = any($1)`,
    [hostIds],
  );
  return rows;
}
