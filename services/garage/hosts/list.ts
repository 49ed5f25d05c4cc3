/** Hosts as lists and pages show them: CLI, web and API. */
import { firstRow, type Queryable } from '../../../shared/database/pool.ts';
import type { HostReport } from './report.ts';

export type HostStatus = 'active' | 'draining' | 'quarantined' | 'removed';

export interface HostItem {
  id: string;
  name: string;
  address: string;
  port: number;
  username: string;
  hostKey: string;
  workdir: string;
  status: HostStatus;
  /** Why it has its status, where somebody or something said so. */
  statusReason: string | null;
  statusSince: Date;
  architectures: string[];
  features: string[];
  slots: number;
  /** Slots that are taken now. */
  busy: number;
  minFreeBytes: number;
  maxBuildS: number | null;
  lastSeenAt: Date | null;
  /** Why it gets no work although it is active; null where it answers. */
  lastError: string | null;
  machineFailures: number;
  nextTestAt: Date | null;
  testedAt: Date | null;
  test: HostReport | null;
  /** Of the last 7 days. */
  built: number;
  failedByMachine: number;
}

const HOSTS = `
  select h.id, h.name, h.address, h.port, h.username, h.host_key as "hostKey", h.workdir, h.status,
         h.status_reason as "statusReason", h.status_since as "statusSince", h.architectures, h.features, h.slots,
         (select count(*)::int from attempts t where t.host_id = h.id and t.finished_at is null) as busy,
         h.min_free_bytes::float8 as "minFreeBytes", h.max_build_s as "maxBuildS",
         h.last_seen_at as "lastSeenAt", h.last_error as "lastError", h.machine_failures as "machineFailures",
         h.next_test_at as "nextTestAt", h.tested_at as "testedAt", h.test, w.built, w."failedByMachine"
    from hosts h
    cross join lateral (
      select count(*) filter (where exit_class <> 'machine')::int as built,
             count(*) filter (where exit_class = 'machine')::int as "failedByMachine"
        from attempts t where t.host_id = h.id and t.finished_at > now() - interval '7 days') w`;

/** By name; removed ones are history and only shown when asked for. */
export async function listHosts(
  database: Queryable,
  options: { removed?: boolean } = {},
): Promise<HostItem[]> {
  const { rows } = await database.query<HostItem>(
    `${HOSTS} where $1 or h.status <> 'removed' order by h.name`,
    [options.removed ?? false],
  );
  return rows;
}

/** One host, also a removed one. Throws `host-unknown`. */
export async function hostItem(database: Queryable, name: string): Promise<HostItem> {
  const { rows } = await database.query<HostItem>(`${HOSTS} where h.name = $1`, [name]);
  return firstRow(rows, 'host-unknown', `There is no builder host '${name}'`);
}
