/**
 * Which checks a build gets, and what their ends mean for it. Level-triggered: looks at builds that are `built`,
 * whoever made them so.
 */
import { transaction } from '../../../shared/database/pool.ts';
import { CHECK_NAMES, type CheckName } from '../../../shared/protocol/job.ts';
import { moveBuild } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';

/** A round's worth; the next one takes the rest. */
const MAX_AT_ONCE = 200;

interface Unplanned {
  build: string;
  attempt: string;
  product: string;
  directory: string;
}

/**
 * Writes the rows of the checks that the product's configuration asks for, once for each successful attempt, and
 * marks it as planned: only then its packages may be handed over.
 */
export async function planChecks(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<Unplanned>(
    `select b.id as build, a.id as attempt, s.product, a.directory
       from builds b
       join sources s on s.id = b.source_id
       join attempts a on a.build_id = b.id
      where b.status = 'built' and a.exit_class = 'success' and not a.checks_planned
      order by b.id limit $1`,
    [MAX_AT_ONCE],
  );
  for (const row of rows) await planOne(garage, row);
}

async function planOne(garage: Garage, row: Unplanned): Promise<void> {
  const modes = garage.common.products.find((each) => each.name === row.product)?.checks;
  const wanted = CHECK_NAMES.filter((name) => modes !== undefined && modes[name] !== 'off');
  await transaction(garage.pool, async (client) => {
    for (const name of wanted) {
      await client.query(
        `insert into checks (attempt_id, build_id, name, blocking, log) values ($1, $2, $3, $4, $5)
         on conflict (attempt_id, name) do nothing`,
        [row.attempt, row.build, name, modes?.[name] === 'blocking', logOf(row.directory, name)],
      );
    }
    await client.query('update attempts set checks_planned = true, packages_kept = true where id = $1', [
      row.attempt,
    ]);
  });
}

function logOf(directory: string, name: CheckName): string {
  return `${directory}/checks/${name}.log`;
}

interface Ended {
  build: string;
  name: CheckName;
  status: 'failed' | 'error';
  message: string | null;
}

/**
 * A blocking check that failed ends its build, class `check`; one that could not be carried out is the machine's
 * fault. What else waits for that build is called off.
 */
export async function settleChecks(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<Ended>(
    `select distinct on (b.id) b.id as build, c.name, c.status, c.message
       from builds b join checks c on c.build_id = b.id
      where b.status = 'built' and c.blocking and c.status in ('failed', 'error')
        and c.attempt_id = (select a.id from attempts a where a.build_id = b.id and a.exit_class = 'success'
                             order by a.number desc limit 1)
      order by b.id, (c.status = 'failed') desc, c.finished_at
      limit $1`,
    [MAX_AT_ONCE],
  );
  for (const row of rows) await endBuild(garage, row);
  await cancelUnwanted(garage);
}

async function endBuild(garage: Garage, { build, name, status, message }: Ended): Promise<void> {
  const change =
    status === 'failed'
      ? { failClass: 'check', failReason: `Check ${name}: ${message ?? 'failed'}` }
      : { failClass: 'machine', failReason: `Check ${name} could not be carried out: ${message ?? ''}` };
  await moveBuild(garage.pool, build, 'built', 'attempted', change);
}

/** Checks of builds that were cancelled, or whose end another check was. The running ones end by themselves. */
async function cancelUnwanted(garage: Garage): Promise<void> {
  await garage.pool.query(
    `update checks c
        set status = 'cancelled', message = 'Nobody waits for it any more', finished_at = now()
       from builds b
      where c.status = 'waiting' and b.id = c.build_id
        and b.status not in ('built', 'uploaded', 'installed')`,
  );
}
