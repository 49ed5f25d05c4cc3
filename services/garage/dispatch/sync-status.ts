/** Takes over what the repository says about sets, and tells uploaders when a source is through. */
import type { SetStatus } from '../../../shared/protocol/tables.ts';
import { moveBuild } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { readMissed } from '../reading/sweep.ts';
import { mailResults } from './mail-results.ts';
import { hasRepository } from './repository-tables.ts';

/**
 * `uploaded` becomes `installed`, or `attempted` with class `repository` when the set was quarantined; each
 * source without an open build gets its mail, once for each round of attempts.
 */
export async function syncInstalled(garage: Garage): Promise<void> {
  if (await hasRepository(garage.pool)) await followSets(garage);
  await readMissed(garage);
  await mailResults(garage);
}

interface FinishedSet {
  build: string;
  status: Exclude<SetStatus, 'incoming'>;
  reason_code: string | null;
  reason: string | null;
}

async function followSets(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<FinishedSet>(
    `select b.id as build, s.status, s.reason_code, s.reason
       from builds b
       join lateral (select id from attempts where build_id = b.id and exit_class = 'success'
                      order by number desc limit 1) a on true
       join repository.sets s on s.id = a.id
      where b.status = 'uploaded' and s.status <> 'incoming'`,
  );
  for (const { build, status, reason, reason_code: code } of rows) {
    if (status === 'installed') await moveBuild(garage.pool, build, 'uploaded', 'installed');
    else {
      const failReason = reason ?? code ?? 'The repository gave no reason';
      await moveBuild(garage.pool, build, 'uploaded', 'attempted', { failClass: 'repository', failReason });
    }
  }
}
