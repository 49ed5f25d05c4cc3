/** How long picking takes when 100,000 builds wait: of 200 uploaders, two products and two architectures. */
import { performance } from 'node:perf_hooks';
import type { Garage } from '../../services/garage/context.ts';
import { waitingLanes } from '../../services/garage/dispatch/lanes.ts';
import { claimBuild, pickBuild } from '../../services/garage/dispatch/lease.ts';
import { activeHosts } from '../../services/garage/dispatch/rows.ts';
import { transaction } from '../../shared/database/pool.ts';

const WAITING = 100_000;
const UPLOADERS = 200;
const PICKS = 200;

const INSERT_UPLOADERS = `insert into accounts (login, email)
  select 'waiter' || n, 'waiter' || n || '@example.org' from generate_series(1, $1) n`;
const INSERT_SOURCES = `
  with upload as (
    insert into uploads (product, account_id, trigger_file, files, status, source, settled_at)
    select (array['one', 'two'])[1 + n % 2], a.id, n || '.dsc', '{}', 'accepted', 'wait' || n, now()
      from generate_series(1, $1) n
      join accounts a on a.login = 'waiter' || (1 + (n::bigint * n) % $2)
    returning id, product, source)
  insert into sources (upload_id, product, name, version, dsc, architectures, files, directory, related_at)
  select id, product, source, '1.0', 'x.dsc', '{any}', '[]', 'sources/x', now() from upload`;
const INSERT_BUILDS = `insert into builds (source_id, architecture, binaries, priority)
  select s.id, a, 'any', (s.id % 3)::int from sources s cross join unnest(array['amd64', 'i386']) a
   where s.name like 'wait%' order by s.id`;

export interface Picking {
  waiting: number;
  /** Medians and the 95th of 100, in milliseconds. */
  pick_ms: number;
  pick_p95_ms: number;
  claim_ms: number;
}

/** Fills the tables and picks; every pick is leased, so each next one is another. */
export async function measurePicking(garage: Garage): Promise<Picking> {
  const { pool } = garage;
  await pool.query(`update hosts set architectures = '{amd64,i386}', slots = 64`);
  await pool.query(INSERT_UPLOADERS, [UPLOADERS]);
  await pool.query(INSERT_SOURCES, [WAITING / 2, UPLOADERS]);
  await pool.query(INSERT_BUILDS);
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::int as count from builds where status = 'needs-build'`,
  );
  const hosts = await activeHosts(pool);
  const [picks, claims]: number[][] = [[], []];
  for (let number = 0; number < PICKS; number += 1) {
    const host = hosts[number % hosts.length];
    if (!host) throw new Error('there is no host');
    const began = performance.now();
    const lanes = (await waitingLanes(pool)).map(({ name }) => name);
    const choice = { lanes, soleLanes: [] };
    await transaction(pool, (client) => pickBuild(client, host.id, choice));
    const picked = performance.now();
    const id = await claimBuild(garage, host, Math.floor(number / hosts.length), choice);
    if (id === null) throw new Error('nothing was picked');
    picks?.push(picked - began);
    claims?.push(performance.now() - picked);
  }
  return {
    waiting: rows[0]?.count ?? 0,
    pick_ms: percentile(picks ?? [], 0.5),
    pick_p95_ms: percentile(picks ?? [], 0.95),
    claim_ms: percentile(claims ?? [], 0.5),
  };
}

function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 100) / 100;
}
