/** Where live lies and how well each place is: from the repository's own tables. */
import type { Queryable } from '../../../../shared/database/pool.ts';
import type { SyncTargetRow } from '../../../../shared/protocol/tables.ts';
import { badge, NONE, time } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { repositoryRows } from '../repository.ts';
import { table, type Column } from '../table.ts';

/** In the order of the configuration; empty before the repository ran. */
export async function liveTargets(database: Queryable): Promise<SyncTargetRow[]> {
  const rows = await repositoryRows<SyncTargetRow>(
    database,
    `select t.name, t.kind, t.location, t.required, t.public_url, g.queue, g.product, g.number as newest, s.generation,
            coalesce(s.health, 'new') as health, s.failing_since, s.next_try_at, s.error, s.synced_at
       from repository.sync_targets t
       join repository.newest_generations g on g.queue = any(t.queues)
       left join repository.sync_states s on s.target = t.name and s.queue = g.queue and s.product = g.product
      order by t.position, array_position(t.queues, g.queue), g.product`,
    [],
  );
  return rows ?? [];
}

/** Addresses and errors are for admins: they tell where the machines are. */
export function targetTable(rows: SyncTargetRow[], isAdmin: boolean): Markup {
  const columns = isAdmin ? [...COLUMNS, ...ADMIN_COLUMNS] : COLUMNS;
  return table('Live targets', columns, rows, 'Nothing was brought to live yet.');
}

const COLUMNS: Column<SyncTargetRow>[] = [
  { head: 'Target', cell: (row) => row.name },
  { head: 'Queue', cell: (row) => `${row.queue}/${row.product}` },
  { head: 'Health', cell: (row) => badge(row.health) },
  {
    head: 'Generation',
    cell: (row) =>
      row.generation === row.newest ? row.newest : `${String(row.generation ?? 0)} of ${String(row.newest)}`,
    numeric: true,
  },
  { head: 'Up to date at', cell: (row) => time(row.synced_at) },
  {
    head: 'Address',
    cell: (row) => (row.public_url === null ? NONE : html`<a href="${row.public_url}">${row.public_url}</a>`),
  },
];

const ADMIN_COLUMNS: Column<SyncTargetRow>[] = [
  { head: 'Place', cell: (row) => html`<code>${row.location}</code>` },
  { head: 'Live needs it', cell: (row) => (row.required ? 'yes' : 'no') },
  { head: 'Fails since', cell: (row) => time(row.failing_since) },
  { head: 'Next try', cell: (row) => time(row.next_try_at) },
  { head: 'Why', cell: (row) => row.error ?? NONE },
];
