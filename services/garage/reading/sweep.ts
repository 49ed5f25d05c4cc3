/** Reads finished attempts that were not read when they ended: before an upgrade, or because it went wrong. */
import { messageOf } from '../../../shared/errors/app-error.ts';
import { result as resultSchema } from '../../../shared/protocol/job.ts';
import type { Garage } from '../context.ts';
import { readAttempt, type ReadableAttempt } from './read-attempt.ts';
import { storeReading } from './rows.ts';

/** A round's worth; the next takes the rest. */
const MAX_AT_ONCE = 20;
/** What ended before is history. */
const LOOK_BACK = '30 days';

interface UnreadRow extends ReadableAttempt {
  exitClass: string;
  result: unknown;
  finishedAt: Date;
}

/** One that cannot be read is logged, and tried again by the next round. */
export async function readMissed(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<UnreadRow>(
    `select a.id, a.build_id as "buildId", a.directory, s.product, s.name as source, b.architecture,
            a.started_at as "startedAt", a.exit_class as "exitClass", a.result, a.finished_at as "finishedAt"
       from attempts a
       join builds b on b.id = a.build_id
       join sources s on s.id = b.source_id
      where a.finished_at > now() - $1::interval and a.exit_class is not null
        and not exists (select 1 from readings r where r.attempt_id = a.id)
      order by a.finished_at limit $2`,
    [LOOK_BACK, MAX_AT_ONCE],
  );
  for (const row of rows) {
    try {
      const parsed = resultSchema.safeParse(row.result);
      const end = { ...row, result: parsed.success ? parsed.data : null };
      await storeReading(garage.pool, await readAttempt(garage, row, end));
    } catch (error) {
      garage.log.warn({ attempt: row.id, reason: messageOf(error) }, 'an attempt could not be read');
    }
  }
}
