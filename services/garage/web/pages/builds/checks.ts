/** What was found when a build's packages were tried: a section of its page, and the logs. */
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Queryable } from '../../../../../shared/database/pool.ts';
import { joinInside } from '../../../../../shared/files/safe-path.ts';
import { notFound, parse } from '../../errors.ts';
import { badge, duration, NONE, time } from '../../format.ts';
import { html, type Markup } from '../../markup.ts';
import { table, type Column } from '../../table.ts';
import { openLog } from './log-file.ts';
import { rowId } from './ids.ts';

interface CheckItem {
  id: string;
  attempt: number;
  name: string;
  blocking: boolean;
  status: string;
  message: string | null;
  report: string[];
  host: string | null;
  log: string;
  started_at: Date | null;
  finished_at: Date | null;
}

/** Five a attempt; somebody who tries again and again sees the newest. */
const LIMIT = 100;

const WORDS: Record<string, string> = {
  install: 'installs in a clean system',
  lintian: 'Debian’s package checker',
  autopkgtest: 'the tests that the source brings',
  piuparts: 'leaves nothing behind when purged',
  rebuild: 'built again, the same bytes',
};

/** Nothing for a build that has none. */
export async function checksSection(database: Queryable, buildId: string): Promise<Markup | false> {
  const { rows } = await database.query<CheckItem>(
    `select c.id, a.number as attempt, c.name, c.blocking, c.status, c.message, c.report, h.name as host, c.log,
            c.started_at, c.finished_at
       from checks c join attempts a on a.id = c.attempt_id left join hosts h on h.id = c.host_id
      where c.build_id = $1 order by a.number desc, c.blocking desc, c.id limit $2`,
    [buildId, LIMIT],
  );
  if (rows.length === 0) return false;
  return html`<h2 id="checks">Checks</h2>
    ${table('Checks of what was built', columns(buildId), rows, '')}`;
}

function columns(buildId: string): Column<CheckItem>[] {
  return [
    {
      head: 'Check',
      cell: (row) => html`${row.name} <span class="quiet">${WORDS[row.name] ?? ''}</span>`,
    },
    { head: 'Attempt', cell: (row) => `#${String(row.attempt)}` },
    { head: 'Mode', cell: (row) => (row.blocking ? 'blocking' : 'informative') },
    { head: 'Status', cell: (row) => badge(row.status) },
    { head: 'Found', cell: found },
    { head: 'Host', cell: (row) => row.host ?? NONE },
    { head: 'Ended', cell: (row) => time(row.finished_at) },
    { head: 'Took', cell: timeTaken, numeric: true },
    {
      head: 'Log',
      cell: (row) =>
        row.started_at === null ? NONE : html`<a href="/builds/${buildId}/checks/${row.id}/log">text</a>`,
    },
  ];
}

function found({ message, report }: CheckItem): Markup {
  if (report.length === 0) return html`${message}`;
  return html`<details>
    <summary>${message}</summary>
    <ul>
      ${report.map((line) => html`<li><code>${line}</code></li>`)}
    </ul>
  </details>`;
}

function timeTaken(row: CheckItem): string {
  if (row.started_at === null || row.finished_at === null) return '';
  return duration((row.finished_at.getTime() - row.started_at.getTime()) / 1000);
}

export function checkLogRoute(app: FastifyInstance): void {
  app.get('/builds/:id/checks/:check/log', async (request, reply) => {
    const { id, check } = parse(z.object({ id: rowId, check: rowId }), request.params, notFound('check'));
    const { garage } = app.web;
    const { rows } = await garage.pool.query<{ log: string; finished_at: Date | null }>(
      'select log, finished_at from checks where id = $1 and build_id = $2',
      [check, id],
    );
    const [row] = rows;
    if (!row) throw notFound('check of this build');
    const file = joinInside(garage.home.root, row.log);
    const handle = await openLog(file);
    if (!handle) throw notFound('log');
    await handle.close();
    void reply.header('content-type', 'text/plain; charset=utf-8');
    return reply.sendFile(path.basename(file), path.dirname(file), {
      cacheControl: true,
      maxAge: 0,
      contentType: false,
    });
  });
}
