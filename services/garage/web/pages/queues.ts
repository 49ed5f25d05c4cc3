import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { HeldIdentityRow, PublishedRow } from '../../../../shared/protocol/tables.ts';
import { notFound, parse } from '../errors.ts';
import { badge, NONE, time } from '../format.ts';
import { heldChanges, heldIdentities } from '../held-identities.ts';
import { csrfField, sendPage } from '../layout.ts';
import { html, type Content, type Markup } from '../markup.ts';
import { moreLink, PAGE_ROWS, slice } from '../paging.ts';
import { nextQueue, promotableSources, repositoryRows } from '../repository.ts';
import { facts, table, type Column } from '../table.ts';
import { liveTargets, targetTable } from './live-targets.ts';
import { orderRows, orderTable } from './orders.ts';
import { queueStates, queueTable, type QueueState } from './queue-list.ts';

const listQuery = z.object({
  after: z.string().max(200).optional(),
  version: z.string().max(200).optional(),
  component: z.string().max(100).optional(),
});
/** Orders shown below a queue. */
const ORDERS = 20;

export function queuePages(app: FastifyInstance): void {
  app.get('/queues', async (request, reply) =>
    sendPage(request, reply, {
      title: 'Queues',
      body: html`<p class="lead">
          Each queue is an apt repository of its own. Uploads enter at the first; maintainers promote to the
          next.
        </p>
        ${queueTable(await queueStates(app.web.garage))}
        <h2>Live targets</h2>
        ${targetTable(await liveTargets(app.web.garage.pool), request.account?.admin ?? false)}`,
    }),
  );
  app.get('/queues/:queue/:product', async (request, reply) => {
    const { queue, product } = request.params as { queue: string; product: string };
    const { garage } = app.web;
    const state = (await queueStates(garage)).find((one) => one.queue === queue && one.product === product);
    if (!state) throw notFound('such queue');
    const query = parse(listQuery, request.query, notFound('page'));
    const found = await publishedRows(request, state, query);
    const { rows, last } = slice(found ?? []);
    const rights = await rowRights(request, state, rows);
    const held = (await heldIdentities(garage)).find((one) => one.queue === queue && one.product === product);
    const more = last && { after: last.source, version: last.source_version, component: last.component };
    return sendPage(request, reply, {
      title: `${queue}/${product}`,
      body: html`${summary(state, found === null)} ${held && heldNotice(held)}
        <h2>What it holds</h2>
        ${table('Sources in this queue', columns(reply, state, rights), rows, EMPTY)}
        ${more && moreLink(`/queues/${queue}/${product}`, more, 'More sources')}
        <h2>Orders</h2>
        ${orderTable(await orderRows(garage.pool, { product, queue }, ORDERS))}`,
    });
  });
}

const EMPTY = 'Nothing is published here yet.';

async function publishedRows(
  request: FastifyRequest,
  { queue, product }: QueueState,
  { after, version, component }: z.infer<typeof listQuery>,
): Promise<PublishedRow[] | null> {
  return repositoryRows<PublishedRow>(
    request.server.web.garage.pool,
    `select * from repository.published
      where queue = $1 and product = $2
        and ($3::text is null or (source, source_version, component) > ($3, $4, $5))
      order by source, source_version, component limit $6`,
    [queue, product, after ?? null, version ?? '', component ?? '', PAGE_ROWS + 1],
  );
}

interface RowRights {
  next: string | undefined;
  /** Sources that the signed-in account may promote. */
  mine: Set<string>;
  /** `source version` that the next queue holds already. */
  held: Set<string>;
  /** `source version` that is ordered and not yet decided. */
  ordered: Set<string>;
}

/** Three queries for the whole page, not three a row. */
async function rowRights(
  request: FastifyRequest,
  { queue, product }: QueueState,
  rows: PublishedRow[],
): Promise<RowRights> {
  const { pool, common } = request.server.web.garage;
  const next = nextQueue(common.queues, queue);
  const sources = [...new Set(rows.map(({ source }) => source))];
  if (next === undefined || sources.length === 0) {
    return { next, mine: new Set(), held: new Set(), ordered: new Set() };
  }
  const [mine, there, open] = await Promise.all([
    promotableSources(pool, request.account?.login, product, sources),
    repositoryRows<VersionOf>(
      pool,
      `select source, source_version from repository.published
        where queue = $1 and product = $2 and source = any ($3)`,
      [next, product, sources],
    ),
    repositoryRows<VersionOf>(
      pool,
      `select source, source_version from repository.orders
        where status in ('requested', 'blocked', 'accepted')
          and from_queue = $1 and to_queue = $2 and product = $3 and source = any ($4)`,
      [queue, next, product, sources],
    ),
  ]);
  return { next, mine, held: versionsOf(there), ordered: versionsOf(open) };
}

type VersionOf = Pick<PublishedRow, 'source' | 'source_version'>;

function versionsOf(rows: VersionOf[] | null): Set<string> {
  return new Set(rows?.map((row) => `${row.source} ${row.source_version}`));
}

function summary(state: QueueState, missing: boolean): Markup {
  const { queue, product } = state;
  return html`${
    missing &&
    html`<p class="notice warn">
      The repository service has not started yet, so nothing can be published. Start it, and this page fills.
    </p>`
  }
  ${facts([
    [
      'Generation',
      state.number === null
        ? 'none yet'
        : html`${String(state.number)} · <a href="/queues/${queue}/${product}/generations">all of them</a>`,
    ],
    ['State', state.status !== null && badge(state.status)],
    ['Made', state.created_at && time(state.created_at)],
    ['Live since', state.live_at && time(state.live_at)],
    ['Use it', html`<a href="/how-to/install?queue=${queue}&amp;product=${product}">install from it</a>`],
  ])}`;
}

/** For everybody: why what the configuration says is not what apt sees. */
function heldNotice(held: HeldIdentityRow): Markup {
  return html`<p class="notice warn">
    A change of what clients know this archive by waits for an admin since ${time(held.since)}:
    ${heldChanges(held)}. New packages are published meanwhile. The admin’s next step:
    <code>autobuilder identity accept ${held.queue} --product ${held.product}</code>
  </p>`;
}

function columns(reply: FastifyReply, state: QueueState, rights: RowRights): Column<PublishedRow>[] {
  const { product } = state;
  const shown: Column<PublishedRow>[] = [
    {
      head: 'Source',
      cell: (row) => html`<a href="/sources/${product}/${encodeURIComponent(row.source)}">${row.source}</a>`,
    },
    { head: 'Version', cell: (row) => html`<code>${row.source_version}</code>` },
    { head: 'Component', cell: (row) => row.component },
    { head: 'Architectures', cell: (row) => row.architectures.join(', ') },
    { head: 'Binaries', cell: (row) => binaries(row) },
    { head: 'Since', cell: (row) => time(row.since) },
  ];
  const { next } = rights;
  if (next === undefined) return shown;
  return [...shown, { head: `To ${next}`, cell: (row) => promotion(reply, state, row, rights, next) }];
}

function promotion(
  reply: FastifyReply,
  { queue, product }: QueueState,
  row: PublishedRow,
  rights: RowRights,
  next: string,
): Content {
  const version = `${row.source} ${row.source_version}`;
  if (rights.held.has(version)) return html`<span class="quiet">is there</span>`;
  if (rights.ordered.has(version)) return html`<span class="quiet">ordered</span>`;
  if (!rights.mine.has(row.source)) return NONE;
  return html`<form method="post" action="/promote">
    ${csrfField(reply)} <input type="hidden" name="product" value="${product}" />
    <input type="hidden" name="source" value="${row.source}" />
    <input type="hidden" name="version" value="${row.source_version}" />
    <input type="hidden" name="from" value="${queue}" /> <input type="hidden" name="to" value="${next}" />
    <button type="submit" aria-label="Promote ${row.source} ${row.source_version} to ${next}">Promote</button>
  </form>`;
}

/** Some sources make hundreds of packages; the count and the first few say enough here. */
function binaries(row: PublishedRow): Content {
  const names = [...new Set(row.binaries.map((name) => name.replace(/_[^_]*$/, '')))];
  const first = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${first} and ${String(names.length - 5)} more` : first;
}
