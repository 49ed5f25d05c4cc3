/**
 * Hosts that fail: after {@link QUARANTINE_AFTER} faults of the machine in a row a host gets no more builds,
 * admins are told, and it is tested by itself until it passes.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import type { HostRow } from '../dispatch/rows.ts';
import { tellAdmins } from './mails.ts';

/** One fault is a hiccup, two are bad luck; each costs a build one of its few tries. */
export const QUARANTINE_AFTER = 3;
/** Before each self-test; the last one for all that follow. The first is soon: what broke may be over. */
export const TEST_WAITS_S = [60, 300, 900, 3600] as const;

/** Counts a fault, and quarantines the host when it is one too many. Part of the caller's transaction. */
export async function noteMachineFault(
  database: Queryable,
  garage: Pick<Garage, 'config'>,
  host: Pick<HostRow, 'id' | 'name'>,
  reason: string,
): Promise<void> {
  const { rows } = await database.query<{ failures: number; status: string }>(
    `update hosts set machine_failures = machine_failures + 1 where id = $1
     returning machine_failures as failures, status`,
    [host.id],
  );
  const [row] = rows;
  if (row?.status !== 'active' || row.failures < QUARANTINE_AFTER) return;
  const why = `${String(row.failures)} builds in a row failed by its fault; the last: ${reason}`;
  await quarantine(database, garage, host, why);
}

async function quarantine(
  database: Queryable,
  garage: Pick<Garage, 'config'>,
  host: Pick<HostRow, 'id' | 'name'>,
  why: string,
): Promise<void> {
  const { rows } = await database.query<{ since: Date }>(
    `update hosts
        set status = 'quarantined', status_reason = $2, status_since = now(), failed_tests = 0,
            next_test_at = now() + make_interval(secs => $3)
      where id = $1 and status = 'active' returning status_since as since`,
    [host.id, why, TEST_WAITS_S[0]],
  );
  const [row] = rows;
  if (!row) return;
  const body = [
    `Builder host ${host.name} gets no more builds: ${why}.`,
    '',
    `It is tested by itself in ${String(TEST_WAITS_S[0] / 60)} min and, with growing waits, until it passes.`,
    `What is wrong, and what to do there:  autobuilder host test ${host.name}`,
    `To take it back at once:              autobuilder host resume ${host.name}`,
  ].join('\n');
  const key = `${host.id}:${row.since.toISOString()}`;
  await tellAdmins(database, garage, {
    ...{ kind: 'host-quarantined', subjectKey: key, host: host.name, body },
    subject: `Builder host ${host.name} is quarantined`,
  });
}

/** A build there came to an end of its own: the faults before it were not in a row. */
export async function noteHostWorks(database: Queryable, hostId: string): Promise<void> {
  await database.query('update hosts set machine_failures = 0 where id = $1 and machine_failures <> 0', [
    hostId,
  ]);
}
