/** Uploads: the list is public, as the builds are; what is still waiting is shown to its uploader. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { notFound, parse } from '../errors.ts';
import { badge, size, time } from '../format.ts';
import { sendPage } from '../layout.ts';
import { html, type Markup } from '../markup.ts';
import { moreLink, PAGE_ROWS, slice } from '../paging.ts';
import { table, type Column } from '../table.ts';
import { uploadPage } from './upload-page.ts';
import { waitingFiles, type WaitingFile } from './waiting.ts';

export interface UploadRow {
  id: string;
  product: string;
  login: string;
  trigger_file: string;
  status: string;
  source: string | null;
  version: string | null;
  reason: string | null;
  arrived_at: Date;
}

const listQuery = z.object({
  before: z.uuid().optional(),
  arrived: z.coerce.number().int().positive().max(1000).optional(),
  by: z.string().max(64).optional(),
});

export function uploadsPages(app: FastifyInstance): void {
  app.get('/uploads', async (request, reply) => {
    const query = parse(listQuery, request.query, notFound('page'));
    const found = await uploadRows(request, query.before ?? null, query.by ?? null, PAGE_ROWS + 1);
    const { rows, last } = slice(found);
    const waiting = request.account ? await waitingFiles(app.web.garage, request.account.login) : [];
    return sendPage(request, reply, {
      title: 'Uploads',
      body: html`${query.arrived !== undefined && arrivedNotice(query.arrived)}
      ${waiting.length > 0 && waitingSection(waiting)} ${filters(request, query.by)} ${uploadTable(rows)}
      ${last && moreLink('/uploads', { before: last.id, by: query.by }, 'Older uploads')}`,
    });
  });
  uploadPage(app);
}

/** The newest uploads before the one of id `before`. */
export async function uploadRows(
  request: FastifyRequest,
  before: string | null,
  by: string | null,
  limit: number,
): Promise<UploadRow[]> {
  const { rows } = await request.server.web.garage.pool.query<UploadRow>(
    `select u.id, u.product, a.login, u.trigger_file, u.status, u.source, u.version, u.reason, u.arrived_at
       from uploads u join accounts a on a.id = u.account_id
      where ($1::uuid is null or (u.arrived_at, u.id) < (select arrived_at, id from uploads where id = $1))
        and ($2::text is null or u.account_id = (select id from accounts where login = $2))
      order by u.arrived_at desc, u.id desc limit $3`,
    [before, by, limit],
  );
  return rows;
}

export function uploadTable(rows: UploadRow[]): Markup {
  return table('Uploads, newest first', COLUMNS, rows, 'Nothing was uploaded yet.');
}

const COLUMNS: Column<UploadRow>[] = [
  {
    head: 'Upload',
    cell: (row) =>
      html`<a href="/uploads/${row.id}">
        ${row.source === null ? row.trigger_file : `${row.source} ${row.version ?? ''}`}
      </a>`,
  },
  { head: 'Product', cell: (row) => row.product },
  { head: 'By', cell: (row) => row.login },
  { head: 'State', cell: (row) => badge(row.status) },
  { head: 'Reason', cell: (row) => row.reason },
  { head: 'Arrived', cell: (row) => time(row.arrived_at) },
];

function filters(request: FastifyRequest, by: string | undefined): Markup | null {
  if (!request.account) return null;
  const { login } = request.account;
  const isOwn = by === login;
  return html`<p class="filters">
    <a href="/uploads" ${by === undefined && html`aria-current="true"`}>All</a>
    <a href="/uploads?by=${login}" ${isOwn && html`aria-current="true"`}>Mine</a>
  </p>`;
}

function arrivedNotice(count: number): Markup {
  return html`<p class="notice good" role="status">
    ${count === 1 ? 'One file' : `${String(count)} files`} arrived. As soon as a set is complete, it is
    verified and shows up in the list below; reload to see.
  </p>`;
}

function waitingSection(files: WaitingFile[]): Markup {
  const hasTrigger = files.some(({ name }) => name.endsWith('.changes') || name.endsWith('.dsc'));
  return html`<h2>Waiting in your incoming folder</h2>
    ${table('Your files that were not taken yet', WAITING, files, '')}
    <p class="quiet">
      ${
        hasTrigger
          ? 'These are taken within a minute of the set being complete.'
          : 'These wait for the .changes or .dsc that lists them.'
      }
    </p>
    <h2>Uploads</h2>`;
}

const WAITING: Column<WaitingFile>[] = [
  { head: 'File', cell: (file) => html`<code>${file.name}</code>` },
  { head: 'Product', cell: (file) => file.product },
  { head: 'State', cell: (file) => badge(file.arriving ? 'arriving' : 'waiting') },
  { head: 'Size', cell: (file) => size(file.sizeBytes), numeric: true },
  { head: 'Last written', cell: (file) => time(file.at) },
];
