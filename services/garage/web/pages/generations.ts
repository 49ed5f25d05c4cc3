/** What a queue held: its generations and what each changed. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../../shared/errors/app-error.ts';
import {
  comparedPackages,
  generationHistory,
  packageDifferences,
  type HistoryRow,
  type PackageDifference,
} from '../../../../shared/protocol/generation-history.ts';
import { notFound, parse } from '../errors.ts';
import { badge, NONE, time } from '../format.ts';
import { sendPage } from '../layout.ts';
import { html, type Markup } from '../markup.ts';
import { moreLink, PAGE_ROWS, slice } from '../paging.ts';
import { facts, table, type Column } from '../table.ts';
import { queueStates, type QueueState } from './queue-list.ts';

/** Packages that a page lists; the command line lists them all. */
const SHOWN = 500;
/** Versions that are looked at for that. */
const MAX_COMPARED = 5_000;
const NUMBER = z.coerce.number().int().min(1).max(999_999_999);
const listQuery = z.object({ before: NUMBER.optional() });
const params = z.object({ queue: z.string(), product: z.string(), number: NUMBER.optional() });

export function generationPages(app: FastifyInstance): void {
  const list = '/queues/:queue/:product/generations';
  app.get(list, async (request, reply) => {
    const at = await queueOf(request);
    const { before } = parse(listQuery, request.query, notFound('page'));
    const options = { before: before ?? null, limit: PAGE_ROWS + 1 };
    const { rows, last } = slice(await history(request, at, options));
    return sendPage(request, reply, {
      title: `Generations of ${at.queue}/${at.product}`,
      body: html`<p class="lead">
          Each is what <a href="${addressOf(at)}">${at.queue}/${at.product}</a> held from then on.
        </p>
        ${table('Generations, newest first', listColumns(at), rows, 'Nothing was published yet.')}
        ${last && moreLink(`${addressOf(at)}/generations`, { before: String(last.number) }, 'Older ones')}`,
    });
  });
  app.get(`${list}/:number`, (request, reply) => showGeneration(request, reply));
}

export interface At {
  queue: string;
  product: string;
  /** The newest generation; null before the first. */
  newest: number | null;
}

async function queueOf(request: FastifyRequest): Promise<At & { number: number | undefined }> {
  const { queue, product, number } = parse(params, request.params, notFound('page'));
  const states = await queueStates(request.server.web.garage);
  const state = states.find((one) => one.queue === queue && one.product === product);
  if (!state) throw notFound('such queue');
  const newest = await newestOf(request, state);
  return { queue, product, newest, number };
}

/** Before the first there may be no tables to look into. */
async function newestOf(request: FastifyRequest, state: QueueState): Promise<number | null> {
  if (state.number === null) return null;
  const [row] = await generationHistory(request.server.web.garage.pool, state, { limit: 1 });
  return row?.number ?? null;
}

export function addressOf({ queue, product }: At): string {
  return `/queues/${queue}/${product}`;
}

async function history(
  request: FastifyRequest,
  at: At,
  options: { before: number | null; limit: number },
): Promise<HistoryRow[]> {
  return at.newest === null ? [] : generationHistory(request.server.web.garage.pool, at, options);
}

/** The generation that the address names. */
export async function generationOf(request: FastifyRequest): Promise<At & { row: HistoryRow }> {
  const { number = 0, ...at } = await queueOf(request);
  const [row] = await history(request, at, { before: number + 1, limit: 1 });
  if (row?.number !== number) throw notFound('such generation');
  return { ...at, row };
}

function listColumns(at: At): Column<HistoryRow>[] {
  return [
    {
      head: 'Number',
      cell: (row) =>
        html`<a href="${addressOf(at)}/generations/${String(row.number)}">${String(row.number)}</a>`,
    },
    { head: 'Made', cell: (row) => time(row.createdAt) },
    { head: 'Why', cell: causeOf },
    { head: 'By', cell: (row) => row.who ?? NONE },
    { head: 'Packages', cell: (row) => `+${String(row.added)} -${String(row.removed)}`, numeric: true },
    { head: 'State', cell: (row) => badge(row.status) },
    { head: 'Snapshot', cell: (row) => row.snapshot && html`<code>${row.snapshot}</code>` },
  ];
}

function causeOf(row: HistoryRow): string {
  return row.backTo === null ? row.cause : `${row.cause} to ${String(row.backTo)}`;
}

async function showGeneration(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { row, ...at } = await generationOf(request);
  const isOld = at.newest !== null && row.number < at.newest;
  return sendPage(request, reply, {
    title: `Generation ${String(row.number)} of ${at.queue}/${at.product}`,
    body: html`${facts([
        ['Queue', html`<a href="${addressOf(at)}/generations">${at.queue}/${at.product}</a>`],
        ['Made', time(row.createdAt)],
        ['Why', causeOf(row)],
        ['By', row.who],
        ['State', badge(row.status)],
        ['Live since', row.liveAt && time(row.liveAt)],
      ])}
      ${row.snapshot !== null && snapshotSource(request, at, row.snapshot)}
      ${
        isOld &&
        request.account &&
        html`<p>
          <a class="button" href="${addressOf(at)}/generations/${String(row.number)}/roll-back"
            >Roll back to it…</a
          >
        </p>`
      }
      <h2>What it changed</h2>
      ${await changesOf(request, at, row)}`,
  });
}

/** Its Release may be past its Valid-Until, which only such an entry may overlook. */
function snapshotSource(request: FastifyRequest, at: At, snapshot: string): Markup {
  const base = request.server.web.garage.config.repositoryUrl.replace(/\/+$/, '');
  const text = `URIs: ${base}/${at.queue}/snapshot/${snapshot}\nSuites: ${at.product}\nCheck-Valid-Until: no`;
  return html`<h2>Its snapshot</h2>
    <p>
      apt reads the queue as it was when a source says so, the rest as in
      <a href="/how-to/install?queue=${at.queue}&amp;product=${at.product}">install from it</a>:
    </p>
    <pre>${text}</pre>`;
}

async function changesOf(request: FastifyRequest, at: At, row: HistoryRow): Promise<Markup> {
  const { pool } = request.server.web.garage;
  const range = { from: row.number - 1, to: row.number, limit: MAX_COMPARED };
  if (range.from === 0) return html`<p class="empty">It is the first.</p>`;
  try {
    const compared = await comparedPackages(pool, at, range);
    return differenceTable(packageDifferences(compared), compared.length === MAX_COMPARED);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return html`<p class="notice warn">${error.message}.</p>`;
  }
}

export function differenceTable(all: PackageDifference[], isCut: boolean): Markup {
  const more = isCut || all.length > SHOWN;
  return html`${table('Packages that differ', COLUMNS, all.slice(0, SHOWN), 'No package.')}
  ${more && html`<p class="quiet">And more: autobuilder diff lists them all.</p>`}`;
}

const COLUMNS: Column<PackageDifference>[] = [
  { head: 'Change', cell: (each) => each.change },
  { head: 'Package', cell: (each) => html`<code>${each.name}</code>` },
  { head: 'Architecture', cell: (each) => (each.kind === 'source' ? 'source' : each.architecture) },
  { head: 'From', cell: (each) => each.from && html`<code>${each.from}</code>` },
  { head: 'To', cell: (each) => each.to && html`<code>${each.to}</code>` },
];
