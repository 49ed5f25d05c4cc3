/** Orders with what became of them. */
import type { Queryable } from '../../../../shared/database/pool.ts';
import type { OrderRow } from '../../../../shared/protocol/tables.ts';
import { badge, time } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { repositoryRows } from '../repository.ts';
import { table, type Column } from '../table.ts';

export interface OrderFilter {
  product: string;
  /** Orders from or to this queue. */
  queue?: string;
  source?: string;
}

/** The newest first; none while the repository has no tables. */
export async function orderRows(
  database: Queryable,
  { product, queue, source }: OrderFilter,
  limit: number,
): Promise<OrderRow[]> {
  const rows = await repositoryRows<OrderRow>(
    database,
    `select * from repository.orders
      where product = $1 and ($2::text is null or from_queue = $2 or to_queue = $2)
        and ($3::text is null or source = $3)
      order by id desc limit $4`,
    [product, queue ?? null, source ?? null, limit],
  );
  return rows ?? [];
}

export function orderTable(rows: OrderRow[]): Markup {
  return table('Orders, newest first', COLUMNS, rows, 'Nothing was ordered yet.');
}

const COLUMNS: Column<OrderRow>[] = [
  {
    head: 'What',
    cell: (row) =>
      row.kind === 'rollback'
        ? html`<a href="/queues/${row.to_queue}/${row.product}/generations">all of it</a>`
        : html`<a href="/sources/${row.product}/${encodeURIComponent(row.source)}">${row.source}</a>
            ${row.source_version}`,
  },
  { head: 'From', cell: (row) => row.from_queue },
  {
    head: 'To',
    cell: (row) => {
      if (row.kind === 'rollback') return `back to generation ${String(row.to_generation)}`;
      return row.kind === 'remove' ? 'nowhere: removed' : row.to_queue;
    },
  },
  { head: 'State', cell: (row) => badge(row.status) },
  {
    head: 'Reason',
    cell: (row) =>
      row.reason &&
      html`${row.reason} ${row.reason_code && html`<code class="quiet">${row.reason_code}</code>`}`,
  },
  { head: 'By', cell: (row) => row.requested_by ?? 'command line' },
  { head: 'Ordered', cell: (row) => time(row.requested_at) },
  { head: 'Finished', cell: (row) => time(row.finished_at) },
];
