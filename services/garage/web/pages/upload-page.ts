import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Queryable } from '../../../../shared/database/pool.ts';
import { notFound, parse } from '../errors.ts';
import { badge, NONE, size, time } from '../format.ts';
import { sendPage } from '../layout.ts';
import { html, type Markup } from '../markup.ts';
import { facts, table } from '../table.ts';
import { buildRows, buildTable } from './builds/rows.ts';

interface UploadDetails {
  id: string;
  product: string;
  login: string;
  trigger_file: string;
  files: string[];
  status: string;
  source: string | null;
  version: string | null;
  signed_by: string | null;
  reason_code: string | null;
  reason: string | null;
  hint: string | null;
  warnings: string[];
  arrived_at: Date;
  decided_at: Date | null;
  source_id: string | null;
  source_name: string | null;
  source_version: string | null;
  source_files: { name: string; size: number }[] | null;
}

export function uploadPage(app: FastifyInstance): void {
  app.get('/uploads/:id', async (request, reply) => {
    const { id } = parse(z.object({ id: z.uuid() }), request.params, notFound('upload'));
    const { pool } = app.web.garage;
    const upload = await uploadDetails(pool, id);
    if (!upload) throw notFound('upload');
    const builds =
      upload.source_id === null ? [] : await buildRows(pool, { sourceIds: [upload.source_id] }, 100);
    return sendPage(request, reply, {
      title: `Upload ${upload.trigger_file}`,
      heading: html`Upload <code>${upload.trigger_file}</code>`,
      body: html`${outcome(upload)} ${details(upload)}
        <h2>Files</h2>
        ${fileTable(upload)} ${upload.source_id !== null && [html`<h2>Builds</h2>`, buildTable(builds)]}`,
    });
  });
}

async function uploadDetails(database: Queryable, id: string): Promise<UploadDetails | undefined> {
  const { rows } = await database.query<UploadDetails>(
    `select u.*, a.login, s.id as source_id, s.name as source_name, s.version as source_version,
            s.files as source_files
       from uploads u join accounts a on a.id = u.account_id left join sources s on s.upload_id = u.id
      where u.id = $1`,
    [id],
  );
  return rows[0];
}

function outcome(upload: UploadDetails): Markup {
  const rejected =
    upload.reason !== null &&
    html`<div class="notice bad">
      <p><strong>${upload.reason}</strong></p>
      ${upload.hint && html`<p>${upload.hint}</p>`}
      ${upload.reason_code && html`<p class="quiet">Reason code: <code>${upload.reason_code}</code></p>`}
    </div>`;
  const warnings =
    upload.warnings.length > 0 &&
    html`<div class="notice warn">
      <p>Warnings</p>
      <ul>
        ${upload.warnings.map((warning) => html`<li>${warning}</li>`)}
      </ul>
    </div>`;
  return html`${rejected} ${warnings}`;
}

function details(upload: UploadDetails): Markup {
  const { source_name: name, source_version: version } = upload;
  const source =
    name === null
      ? upload.source && `${upload.source} ${upload.version ?? ''}`
      : html`<a href="/sources/${upload.product}/${encodeURIComponent(name)}">${name}</a> ${version}`;
  return facts([
    ['State', badge(upload.status)],
    ['Source', source],
    ['Product', upload.product],
    ['Uploaded by', upload.login],
    ['Signed by', upload.signed_by === null ? null : html`<code class="long">${upload.signed_by}</code>`],
    ['Arrived', time(upload.arrived_at)],
    ['Decided', upload.decided_at && time(upload.decided_at)],
  ]);
}

/** An accepted source's files with their sizes; otherwise the names that came. */
function fileTable(upload: UploadDetails): Markup {
  const sizes = new Map(upload.source_files?.map((file) => [file.name, file.size]));
  const names = [...new Set([...upload.files, ...sizes.keys()])].sort();
  return table(
    'Files of this upload',
    [
      { head: 'File', cell: (name) => html`<code>${name}</code>` },
      {
        head: 'Size',
        cell: (name) => {
          const bytes = sizes.get(name);
          return bytes === undefined ? NONE : size(bytes);
        },
        numeric: true,
      },
    ],
    names,
    'No files are known.',
  );
}
