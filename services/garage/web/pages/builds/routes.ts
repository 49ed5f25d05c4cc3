import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { notFound, parse } from '../../errors.ts';
import { sendPage } from '../../layout.ts';
import { html } from '../../markup.ts';
import { moreLink, PAGE_ROWS, slice } from '../../paging.ts';
import { checkLogRoute } from './checks.ts';
import { rowId } from './ids.ts';
import { logRoutes } from './log-routes.ts';
import { buildPage } from './page.ts';
import { buildRows, buildTable } from './rows.ts';

const listQuery = z.object({ before: rowId.optional(), show: z.enum(['open']).optional() });

export function buildPages(app: FastifyInstance): void {
  app.get('/builds', async (request, reply) => {
    const { before, show } = parse(listQuery, request.query, notFound('page'));
    const found = await buildRows(app.web.garage.pool, { before, open: show === 'open' }, PAGE_ROWS + 1);
    const { rows, last } = slice(found);
    return sendPage(request, reply, {
      title: 'Builds',
      body: html`<p class="filters">
          <a href="/builds" ${show === undefined && html`aria-current="true"`}>All</a>
          <a href="/builds?show=open" ${show === 'open' && html`aria-current="true"`}>Waiting and running</a>
        </p>
        ${buildTable(rows)} ${last && moreLink('/builds', { before: last.id, show }, 'Older builds')}`,
    });
  });
  buildPage(app);
  logRoutes(app);
  checkLogRoute(app);
}
