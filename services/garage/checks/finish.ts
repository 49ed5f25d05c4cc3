/** The end of one try of a check: a verdict, another try, or giving up. */
import { wake } from '../../../shared/database/listen.ts';
import { transaction, type Client } from '../../../shared/database/pool.ts';
import { unreachable } from '../../../shared/errors/app-error.ts';
import type { ExitClass, Result } from '../../../shared/protocol/job.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import type { CheckRow, CheckStatus } from './rows.ts';

/** Waits before a machine's fault is tried again: a hiccup is over at once, an outage takes longer. */
const BACKOFF_S = [5, 30, 120, 300] as const;
/** Waits for dependencies that may be published meanwhile: what was uploaded together is built together. */
const UNMET_WAIT_S = [5, 10, 20, 40, 60, 120, 180, 240, 300] as const;

export interface CheckOutcome {
  exitClass: ExitClass;
  message: string;
  result: Result | null;
}

interface Change {
  status: CheckStatus;
  message: string;
  report?: string[];
  givenBack?: number;
  unmet?: number;
  waitS?: number;
}

/** A host's words: no control characters, which terminals act on and PostgreSQL may refuse. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}

/** Ends the try once: false, and nothing changed, when it was ended before, also by another process. */
export function finishCheck(garage: Garage, check: CheckRow, outcome: CheckOutcome): Promise<boolean> {
  return transaction(garage.pool, async (client) => {
    const change = await changeFor(client, garage, check, outcome);
    const { rowCount } = await client.query(
      `update checks
          set status = $3, message = $4, report = $5, given_back = $6, unmet = $7,
              not_before = now() + make_interval(secs => $8),
              finished_at = case when $3 = 'waiting' then null else now() end
        where id = $1 and job_id = $2 and status = 'running'`,
      [
        ...[check.id, check.jobId, change.status, plain(change.message), (change.report ?? []).map(plain)],
        ...[change.givenBack ?? check.givenBack, change.unmet ?? check.unmet, change.waitS ?? 0],
      ],
    );
    if (rowCount === 1) await wake(client, GARAGE_CHANNEL);
    return rowCount === 1;
  });
}

async function changeFor(
  client: Client,
  garage: Garage,
  check: CheckRow,
  { exitClass, message, result }: CheckOutcome,
): Promise<Change> {
  const report = result?.check?.lines ?? [];
  switch (exitClass) {
    case 'success':
      return { status: 'passed', message: result?.check?.note ?? '', report };
    case 'package':
      return { status: 'failed', message, report };
    case 'dep-wait':
      if (await mayStillCome(client, check)) {
        const waitS = UNMET_WAIT_S[check.unmet] ?? UNMET_WAIT_S[0];
        return { status: 'waiting', message, report, unmet: check.unmet + 1, waitS };
      }
      return { status: 'failed', message, report };
    case 'machine':
      return giveBack(garage, check, message);
    case 'usage':
      return { status: 'error', message };
    case 'cancelled':
      if (['built', 'uploaded', 'installed'].includes(check.attempt.buildStatus)) {
        return giveBack(garage, check, 'The host cancelled it');
      }
      return { status: 'cancelled', message };
    default:
      return unreachable(exitClass);
  }
}

function giveBack(garage: Garage, check: CheckRow, message: string): Change {
  if (check.givenBack >= garage.config.build.maxGivenBack) return { status: 'error', message };
  const waitS = BACKOFF_S[Math.min(check.givenBack, BACKOFF_S.length - 1)] ?? 0;
  return { status: 'waiting', message, givenBack: check.givenBack + 1, waitS };
}

/**
 * Whether something under way may bring what is missing: another source of the product that was accepted before
 * the check began and is not through yet.
 */
async function mayStillCome(client: Client, check: CheckRow): Promise<boolean> {
  if (check.unmet >= UNMET_WAIT_S.length) return false;
  const { rowCount } = await client.query(
    `select 1
       from builds b join sources s on s.id = b.source_id
      where s.product = $1 and b.id <> $2 and s.accepted_at < $3
        and b.status in ('needs-build', 'building', 'built', 'uploaded', 'given-back')
      limit 1`,
    [check.attempt.product, check.attempt.buildId, check.startedAt],
  );
  return (rowCount ?? 0) > 0;
}
