/** Rows of checks as the scheduler works with them. */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { CheckName } from '../../../shared/protocol/job.ts';
import { attemptRow, HOST_COLUMNS, type AttemptRow, type HostRow } from '../dispatch/rows.ts';

export type CheckStatus = 'waiting' | 'running' | 'passed' | 'failed' | 'error' | 'cancelled';

export interface CheckRow {
  id: string;
  name: CheckName;
  blocking: boolean;
  status: CheckStatus;
  /** The job's id on the host. */
  jobId: string;
  slot: number;
  /** Relative to AUTOBUILDER_HOME. */
  log: string;
  startedAt: Date;
  givenBack: number;
  unmet: number;
  /** Where it runs, which need not be where the attempt did. */
  host: HostRow;
  /** Whose packages are checked. */
  attempt: AttemptRow;
}

type Plain = Omit<CheckRow, 'attempt'> & { attemptId: string };

/** A check that runs; null when it runs no more. */
export async function runningCheck(database: Queryable, id: string): Promise<CheckRow | null> {
  const { rows } = await database.query<Plain>(
    `select c.id, c.name, c.blocking, c.status, c.job_id as "jobId", c.slot, c.log, c.started_at as "startedAt",
            c.given_back as "givenBack", c.unmet, c.attempt_id as "attemptId",
            ${HOST_COLUMNS}
       from checks c join hosts h on h.id = c.host_id
      where c.id = $1 and c.status = 'running'`,
    [id],
  );
  const [row] = rows;
  const attempt = row ? await attemptRow(database, row.attemptId) : null;
  return row && attempt ? { ...row, attempt } : null;
}
