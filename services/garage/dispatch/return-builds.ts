/** Builds that go back to `needs-build` by themselves. */
import type { Garage } from '../context.ts';
import { moveBuild, type BuildStatus } from '../buildme/transitions.ts';
import { hasRepository } from './repository-tables.ts';

/** A first few tries are for everything that is published, since packages may provide what others name. */
const EAGER_TRIES = 5;
/** After these, what is published only counts if it has a missing name, or once in this time. */
const PATIENT_S = 3600;
/** The distribution's own archives say nothing when they change; once a day is asked. */
const ARCHIVES_S = 24 * 3600;

/** Given back and waited long enough, and waiting for packages when something new is live. */
export async function returnBuilds(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `select id from builds where status = 'given-back' and not_before <= now()`,
  );
  await moveAll(garage, rows, 'given-back');
  await returnDepWaits(garage);
}

interface DepWait {
  id: string;
  product: string;
  failReason: string | null;
  tries: number;
  /** When the last try began, as the database writes it. */
  tried: string;
  triedSAgo: number;
  isNews: boolean;
}

/**
 * A generation that went live after the last attempt began may hold what was missing, and makes at most one
 * more try. `live_at`, not the set's time: targets see what live has.
 */
async function returnDepWaits(garage: Garage): Promise<void> {
  if (!(await hasRepository(garage.pool))) return;
  const { rows } = await garage.pool.query<DepWait>(
    `select b.id, b.product, b.fail_reason as "failReason", t.tries::int, t.tried::text,
            extract(epoch from now() - t.tried)::float8 as "triedSAgo",
            exists (select 1 from repository.generations g
                     where g.queue = $1 and g.product = b.product and g.live_at > t.tried) as "isNews"
       from builds b
      cross join lateral (select count(*) filter (where a.exit_class = 'dep-wait') as tries,
                                 max(a.started_at) as tried
                            from attempts a where a.build_id = b.id) t
      where b.status = 'dep-wait' and t.tried is not null`,
    [garage.common.queues[0].name],
  );
  const due: DepWait[] = [];
  for (const row of rows) if (await isDue(garage, row)) due.push(row);
  await moveAll(garage, due, 'dep-wait');
}

async function isDue(garage: Garage, row: DepWait): Promise<boolean> {
  if (row.triedSAgo > ARCHIVES_S) return true;
  if (!row.isNews) return false;
  return row.tries < EAGER_TRIES || row.triedSAgo > PATIENT_S || (await hasMissing(garage, row));
}

/** Whether a package that was missing by name is among what came since. */
async function hasMissing(garage: Garage, row: DepWait): Promise<boolean> {
  const names = missingNames(row.failReason);
  const { rowCount } = await garage.pool.query(
    `select 1 from repository.published p
      where p.queue = $1 and p.product = $2 and p.since > $3::timestamptz
        and exists (select 1 from unnest(p.binaries) b (name) where split_part(b.name, '_', 1) = any($4))
      limit 1`,
    [garage.common.queues[0].name, row.product, row.tried, names],
  );
  return rowCount === 1;
}

/** Package names in `Waits for libfoo-dev (>= 2), bar | baz`. */
export function missingNames(failReason: string | null): string[] {
  const missing = /^Waits for (.*)$/.exec(failReason ?? '')?.[1] ?? '';
  return missing.split(/[,|]/).flatMap((each) => /^\s*([a-z0-9][a-z0-9+.-]+)/.exec(each)?.[1] ?? []);
}

async function moveAll(garage: Garage, rows: { id: string }[], from: BuildStatus): Promise<void> {
  for (const { id } of rows) await moveBuild(garage.pool, id, from, 'needs-build');
}
