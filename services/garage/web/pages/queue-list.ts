/** The state of every queue of every product, as the front page and /queues show it. */
import type { Garage } from '../../context.ts';
import { badge, NONE, time } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { repositoryRows } from '../repository.ts';
import { table, type Column } from '../table.ts';

export interface QueueState {
  queue: string;
  product: string;
  /** Null before the first publication. */
  number: number | null;
  status: string | null;
  created_at: Date | null;
  live_at: Date | null;
}

/** In the order of the configuration: products, and their queues by trust. */
export async function queueStates(garage: Garage): Promise<QueueState[]> {
  const pairs = garage.common.products.flatMap((product) =>
    garage.common.queues.map((queue) => ({ queue: queue.name, product: product.name })),
  );
  const rows = await repositoryRows<QueueState>(
    garage.pool,
    `select q.queue, q.product, g.number, g.status, g.created_at, g.live_at
       from unnest($1::text[], $2::text[]) with ordinality as q (queue, product, position)
       left join lateral (select * from repository.generations g
                           where g.queue = q.queue and g.product = q.product
                           order by g.number desc limit 1) g on true
      order by q.position`,
    [pairs.map(({ queue }) => queue), pairs.map(({ product }) => product)],
  );
  return (
    rows ?? pairs.map((pair) => ({ ...pair, number: null, status: null, created_at: null, live_at: null }))
  );
}

export function queueTable(states: QueueState[]): Markup {
  return table('Queues', COLUMNS, states, 'No product is configured.');
}

const COLUMNS: Column<QueueState>[] = [
  {
    head: 'Queue',
    cell: ({ queue, product }) => html`<a href="/queues/${queue}/${product}">${queue}/${product}</a>`,
  },
  {
    head: 'Generation',
    cell: ({ number }) => number ?? html`<span class="quiet">none yet</span>`,
    numeric: true,
  },
  {
    head: 'State',
    cell: ({ status }) => (status === null ? NONE : badge(status)),
  },
  { head: 'Published', cell: (state) => time(state.live_at ?? state.created_at) },
  {
    head: 'Use it',
    cell: ({ queue, product }) =>
      html`<a href="/how-to/install?queue=${queue}&amp;product=${product}">install from it</a>`,
  },
];
