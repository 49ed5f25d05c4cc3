/** The end of an attempt, and what it means for its build: one transaction. */
import { wake } from '../../../shared/database/listen.ts';
import { transaction, type Client } from '../../../shared/database/pool.ts';
import { unreachable } from '../../../shared/errors/app-error.ts';
import type { ExitClass, Result } from '../../../shared/protocol/job.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import { moveBuild } from '../buildme/transitions.ts';
import type { Garage } from '../context.ts';
import { noteHostWorks, noteMachineFault } from '../hosts/quarantine.ts';
import { readAttempt, type Reading } from '../reading/read-attempt.ts';
import { storeReading } from '../reading/rows.ts';
import type { AttemptRow } from './rows.ts';

/** Waits before a machine's fault is tried again: a hiccup is over at once, an outage takes longer. */
const BACKOFF_S = [5, 30, 120, 300] as const;

export interface Outcome {
  exitClass: ExitClass;
  /** One sentence for people; empty for a success. */
  message: string;
  /** What the runner wrote; null when there is nothing to believe. */
  result: Result | null;
}

/**
 * Ends an attempt once. False, and nothing changed, when it was ended before: a host that comes back after
 * its attempt was given back delivers nothing. A build that was cancelled or superseded stays so.
 */
export async function finishAttempt(garage: Garage, attempt: AttemptRow, outcome: Outcome): Promise<boolean> {
  const reading = await tryToRead(garage, attempt, outcome);
  return transaction(garage.pool, async (client) => {
    const { rowCount } = await client.query(
      `update attempts
          set finished_at = now(), exit_class = $2, message = $3, result = $4, stage = coalesce($5, stage),
              kept_until = now() + make_interval(secs => $6)
        where id = $1 and finished_at is null`,
      [
        attempt.id,
        outcome.exitClass,
        outcome.message,
        outcome.result === null ? null : JSON.stringify(outcome.result),
        outcome.result?.stage ?? null,
        outcome.result?.keptS ?? null,
      ],
    );
    if (rowCount !== 1) return false;
    if (reading) await storeReading(client, reading);
    await moveOn(client, garage, attempt, outcome);
    await judgeHost(client, garage, attempt, outcome);
    await wake(client, GARAGE_CHANNEL);
    return true;
  });
}

/** Before the build moves on: then its packages are handed over. What cannot be read now, the sweep tries again. */
async function tryToRead(garage: Garage, attempt: AttemptRow, outcome: Outcome): Promise<Reading | null> {
  try {
    return await readAttempt(garage, attempt, outcome);
  } catch (error) {
    garage.log.warn({ err: error, attempt: attempt.id }, 'what the attempt left could not be read');
    return null;
  }
}

/** Each limit is a failure class of its own. */
function failClassOf({ exitClass, result }: Outcome): string {
  return result?.limit === undefined ? exitClass : `limit-${result.limit}`;
}

async function moveOn(client: Client, garage: Garage, attempt: AttemptRow, outcome: Outcome): Promise<void> {
  const { exitClass, message, result } = outcome;
  switch (exitClass) {
    case 'success':
      await moveBuild(client, attempt.buildId, 'building', 'built');
      return;
    case 'package':
    case 'usage':
      await moveBuild(client, attempt.buildId, 'building', 'attempted', {
        failClass: failClassOf(outcome),
        failReason: message,
      });
      return;
    case 'dep-wait': {
      const missing = result?.missing ?? [];
      const failReason = missing.length > 0 ? `Waits for ${missing.join(', ')}` : message;
      await moveBuild(client, attempt.buildId, 'building', 'dep-wait', { failClass: exitClass, failReason });
      return;
    }
    case 'machine':
      await giveBack(client, garage, attempt, message);
      return;
    case 'cancelled':
      // Whoever cancelled moved the build; a host that says so by itself is at fault.
      if (attempt.buildStatus === 'building')
        await giveBack(client, garage, attempt, 'The host cancelled it');
      return;
    default:
      unreachable(exitClass);
  }
}

/** A host that fails again and again gets no more builds; one that builds is well, whatever the package is. */
async function judgeHost(
  client: Client,
  garage: Garage,
  attempt: AttemptRow,
  outcome: Outcome,
): Promise<void> {
  const { exitClass, message } = outcome;
  const isOwnCancel = exitClass === 'cancelled' && attempt.buildStatus === 'building';
  if (exitClass === 'machine' || isOwnCancel) await noteMachineFault(client, garage, attempt.host, message);
  else if (exitClass !== 'cancelled' && exitClass !== 'usage') await noteHostWorks(client, attempt.host.id);
}

/** Tried again later by itself, a bounded number of times. */
async function giveBack(client: Client, garage: Garage, attempt: AttemptRow, reason: string): Promise<void> {
  const { rows } = await client.query<{ given: number }>(
    `select given_back as given from builds where id = $1 and status = 'building' for update`,
    [attempt.buildId],
  );
  const row = rows[0];
  if (!row) return; // cancelled or superseded meanwhile
  const change = { failClass: 'machine', failReason: reason };
  if (row.given >= garage.config.build.maxGivenBack) {
    await moveBuild(client, attempt.buildId, 'building', 'attempted', change);
    return;
  }
  const waitS = BACKOFF_S[Math.min(row.given, BACKOFF_S.length - 1)];
  await client.query(
    `update builds
        set given_back = given_back + 1, not_before = now() + make_interval(secs => $2), avoid_host_id = $3
      where id = $1`,
    [attempt.buildId, waitS, attempt.host.id],
  );
  await moveBuild(client, attempt.buildId, 'building', 'given-back', change);
}
