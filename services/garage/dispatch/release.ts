/** Lets go builds that waited for others of their batch (relate.ts). */
import type { Garage } from '../context.ts';
import { hasRepository } from './repository-tables.ts';

/**
 * True for a build whose packages targets can see by now: its set is in a generation that is live, or a
 * later one is. A set that names no generation says nothing, and is not waited for.
 */
const IS_LIVE = `
  not exists (
    select 1 from attempts a
      join repository.sets s on s.id = a.id and s.status = 'installed'
      join repository.generations g on g.id = s.generation_id
     where a.build_id = t.id and a.exit_class = 'success'
       and not exists (select 1 from repository.generations l
                        where l.queue = g.queue and l.product = g.product and l.number >= g.number
                          and l.live_at is not null))`;

/**
 * What is live is waited for no more, nor what cannot come any more: a build that failed or was withdrawn
 * leaves its followers to the packages that are there, or to `dep-wait`.
 */
export async function releaseHeld(garage: Garage): Promise<void> {
  const { pool } = garage;
  const isLive = (await hasRepository(pool)) ? IS_LIVE : 'true';
  await pool.query(
    `delete from build_waits w using builds t, builds b
      where t.id = w.for_build_id and b.id = w.build_id
        and (t.status in ('attempted', 'cancelled', 'superseded', 'not-for-us')
             or t.status = 'installed' and ${isLive}
             or b.status in ('cancelled', 'superseded'))`,
  );
  await pool.query(
    `update builds b set held = false
       from sources s
      where b.held and s.id = b.source_id and s.related_at is not null
        and not exists (select 1 from build_waits w where w.build_id = b.id)`,
  );
}
