/** A build's attempts: where each ran, what its runner said, and where its log lies. */
import path from 'node:path';
import type { Queryable } from '../../../../../shared/database/pool.ts';
import { joinInside } from '../../../../../shared/files/safe-path.ts';
import { result, type Result } from '../../../../../shared/protocol/job.ts';
import type { Garage } from '../../../context.ts';

/** A build is given back a few times at most; somebody who tries again and again sees the newest. */
const LIMIT = 50;

export interface AttemptRow {
  number: number;
  host: string;
  slot: number;
  stage: string;
  exit_class: string | null;
  message: string | null;
  result: unknown;
  directory: string;
  started_at: Date;
  finished_at: Date | null;
}

const SELECT = `select t.number, h.name as host, t.slot, t.stage, t.exit_class, t.message, t.result, t.directory,
                       t.started_at, t.finished_at
                  from attempts t join hosts h on h.id = t.host_id`;

/** The newest first. */
export async function attemptRows(database: Queryable, buildId: string): Promise<AttemptRow[]> {
  const { rows } = await database.query<AttemptRow>(
    `${SELECT} where t.build_id = $1 order by t.number desc limit $2`,
    [buildId, LIMIT],
  );
  return rows;
}

/** One attempt, by default the newest. */
export async function attemptRow(
  database: Queryable,
  buildId: string,
  number: number | undefined,
): Promise<AttemptRow | undefined> {
  const { rows } = await database.query<AttemptRow>(
    `${SELECT} where t.build_id = $1 and ($2::int is null or t.number = $2) order by t.number desc limit 1`,
    [buildId, number ?? null],
  );
  return rows[0];
}

/** Absolute; the file may not be there yet. */
export function logFile(garage: Garage, attempt: AttemptRow): string {
  return path.join(joinInside(garage.home.root, attempt.directory), 'build.log');
}

/** What the runner wrote, or null where there is nothing or it is not in the form. */
export function resultOf(attempt: AttemptRow): Result | null {
  const parsed = result.safeParse(attempt.result);
  return parsed.success ? parsed.data : null;
}
