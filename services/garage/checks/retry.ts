/** A check once more, because a person asked. */
import { wake } from '../../../shared/database/listen.ts';
import { firstRow, transaction, type Client } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import { moveBuild, type BuildStatus } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import type { CheckStatus } from './rows.ts';

interface Found {
  id: string;
  name: string;
  blocking: boolean;
  status: CheckStatus;
  build: string;
  buildStatus: BuildStatus;
  attempt: string;
  newest: boolean;
  kept: boolean;
}

/**
 * Lets a check that is through run again. A build that a blocking check had ended is `built` again, and what was
 * called off with it runs as well. Throws `check-unknown`, `check-not-retried`, `build-moved`.
 */
export async function retryCheck(garage: Garage, id: string): Promise<{ name: string; build: string }> {
  return transaction(garage.pool, async (client) => {
    const check = await find(client, id);
    refuse(check);
    const wasEnded = check.blocking && check.buildStatus === 'attempted';
    if (wasEnded && !(await moveBuild(client, check.build, 'attempted', 'built'))) {
      throw new AppError('build-moved', `Build ${check.build} has just changed; look again`);
    }
    await client.query(
      `update checks
          set status = 'waiting', given_back = 0, unmet = 0, not_before = now(), message = null, report = '{}',
              finished_at = null
        where attempt_id = $1
          and (id = $2 or $3 and blocking and status in ('failed', 'error', 'cancelled'))`,
      [check.attempt, check.id, wasEnded],
    );
    await wake(client, GARAGE_CHANNEL);
    return { name: check.name, build: check.build };
  });
}

async function find(client: Client, id: string): Promise<Found> {
  const { rows } = await client.query<Found>(
    `select c.id, c.name, c.blocking, c.status, c.build_id as build, b.status as "buildStatus",
            c.attempt_id as attempt, a.packages_kept as kept,
            not exists (select 1 from attempts n where n.build_id = a.build_id and n.number > a.number) as newest
       from checks c join builds b on b.id = c.build_id join attempts a on a.id = c.attempt_id
      where c.id = $1 for update of c, b`,
    [id],
  );
  return firstRow(rows, 'check-unknown', `There is no check ${id}`);
}

function refuse(check: Found): void {
  const no = (why: string): never => {
    throw new AppError('check-not-retried', `Check ${check.id} (${check.name}) ${why}`);
  };
  if (check.status === 'waiting' || check.status === 'running') no(`is ${check.status} already`);
  if (!check.newest) no('is of an attempt that another one followed');
  if (!check.kept) no('has no packages any more; build it again');
  const isOpen = ['built', 'uploaded', 'installed'].includes(check.buildStatus);
  const wasEndedByIt = check.buildStatus === 'attempted' && check.blocking && check.status !== 'passed';
  if (!isOpen && !wasEndedByIt) no(`is of a build that is ${check.buildStatus}`);
}
