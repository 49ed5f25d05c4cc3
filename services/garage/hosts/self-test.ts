/** Quarantined hosts are tested by themselves, with growing waits, and are back once they pass. */
import { transaction } from '../../../shared/database/pool.ts';
import { wake } from '../../../shared/database/listen.ts';
import type { RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { hostByName } from '../dispatch/rows.ts';
import { tellAdmins } from './mails.ts';
import { TEST_WAITS_S } from './quarantine.ts';
import { whyFailed, type HostReport } from './report.ts';
import { testHost } from './test-host.ts';

/** Names of quarantined hosts whose next test is due. */
export async function dueTests(garage: Garage): Promise<string[]> {
  const { rows } = await garage.pool.query<{ name: string }>(
    `select name from hosts where status = 'quarantined' and next_test_at <= now() order by next_test_at`,
  );
  return rows.map(({ name }) => name);
}

/** Tests it and notes the report; a host that passes is active again. Throws nothing but the signal's reason. */
export async function selfTest(
  garage: Garage,
  name: string,
  bundle: RunnerBundle,
  signal: AbortSignal,
): Promise<void> {
  const host = await hostByName(garage.pool, name);
  if (!host) return;
  const report = await testHost(garage, host, { bundle, signal });
  await noteReport(garage, host.id, report);
  if (report.passed) await takeBack(garage, { id: host.id, name });
  else garage.log.warn({ host: name, why: whyFailed(report) }, 'a quarantined host did not pass its test');
}

/** Keeps the report; for a quarantined host that did not pass, the next test comes later than this one did. */
export async function noteReport(garage: Garage, hostId: string, report: HostReport): Promise<void> {
  await garage.pool.query(
    `update hosts
        set test = $2, tested_at = now(),
            failed_tests = case when $3 then 0 else failed_tests + 1 end,
            next_test_at = case when status = 'quarantined' then
              now() + make_interval(secs => ($4::int[])[least(failed_tests + 2, cardinality($4::int[]))]) end
      where id = $1`,
    [hostId, JSON.stringify(report), report.passed, TEST_WAITS_S],
  );
}

async function takeBack(garage: Garage, host: { id: string; name: string }): Promise<void> {
  await transaction(garage.pool, async (client) => {
    const { rows } = await client.query<{ since: Date }>(
      `update hosts
          set status = 'active', status_reason = null, status_since = now(), machine_failures = 0,
              next_test_at = null, last_error = null
        where id = $1 and status = 'quarantined' returning status_since as since`,
      [host.id],
    );
    const [row] = rows;
    if (!row) return; // an admin was quicker
    await tellAdmins(client, garage, {
      kind: 'host-returned',
      subjectKey: `${host.id}:${row.since.toISOString()}`,
      host: host.name,
      subject: `Builder host ${host.name} is back`,
      body: `Builder host ${host.name} has passed its test and gets builds again.`,
    });
    await wake(client, GARAGE_CHANNEL);
  });
  garage.log.info({ host: host.name }, 'a quarantined host has passed its test and is active again');
}
