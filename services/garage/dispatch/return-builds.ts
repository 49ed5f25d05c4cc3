/** Builds that go back to `needs-build` by themselves. */
import type { Garage } from '../context.ts';
import { moveBuild, type BuildStatus } from '../buildme/transitions.ts';
import { hasRepository } from './repository-tables.ts';

/** Given back and waited long enough, and waiting for packages when something new is live. */
export async function returnBuilds(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `select id from builds where status = 'given-back' and not_before <= now()`,
  );
  await moveAll(garage, rows, 'given-back');
  await returnDepWaits(garage);
}

/**
 * Simple on purpose: a generation that went live after the last attempt began may hold what was missing, and
 * each makes at most one more try. `live_at`, not the set's time: targets see what live has.
 */
async function returnDepWaits(garage: Garage): Promise<void> {
  if (!(await hasRepository(garage.pool))) return;
  const { rows } = await garage.pool.query<{ id: string }>(
    `select b.id
       from builds b join sources s on s.id = b.source_id
      where b.status = 'dep-wait'
        and exists (
          select 1 from repository.generations g
           where g.queue = $1 and g.product = s.product
             and g.live_at > (select max(a.started_at) from attempts a where a.build_id = b.id))`,
    [garage.common.queues[0].name],
  );
  await moveAll(garage, rows, 'dep-wait');
}

async function moveAll(garage: Garage, rows: { id: string }[], from: BuildStatus): Promise<void> {
  for (const { id } of rows) await moveBuild(garage.pool, id, from, 'needs-build');
}
