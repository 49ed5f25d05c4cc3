import { z } from 'zod';
import type { Queryable } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import { whyWaiting } from '../dispatch/why.ts';
import { attemptRows, resultOf, type AttemptRow } from '../web/pages/builds/attempts.ts';
import { rowId } from '../web/pages/builds/ids.ts';
import { limit, numbered, page, pageOf } from './paging.ts';
import { missing, problem } from './problems.ts';
import { build, buildDetails } from './schemas.ts';
import type { Api } from './typed.ts';

const query = z.object({
  ...numbered,
  limit,
  product: z.string().max(64).optional(),
  source: z.string().max(128).optional().describe('A source package name.'),
  architecture: z.string().max(32).optional(),
  status: z.string().max(32).optional(),
});

interface BuildFilter {
  id?: string;
  sourceId?: string;
  after?: string | undefined;
  product?: string | undefined;
  source?: string | undefined;
  architecture?: string | undefined;
  status?: string | undefined;
  limit: number;
}

/** Builds as the API shows them, the newest first; `web` is garage's own URL. */
export async function buildsOf(
  database: Queryable,
  web: string,
  filter: BuildFilter,
): Promise<{ id: string }[]> {
  const { rows } = await database.query<{ id: string }>(
    `select b.id, s.product, s.name as source, s.version, b.source_id as "sourceId", s.upload_id as "uploadId",
            b.architecture, b.binaries, b.status, b.fail_class as "failClass", b.fail_reason as "failReason",
            b.given_back as "givenBack", b.created_at as "createdAt", b.updated_at as "updatedAt",
            $1 || '/builds/' || b.id as url
       from builds b join sources s on s.id = b.source_id
      where ($2::bigint is null or b.id = $2) and ($3::bigint is null or b.source_id = $3)
        and ($4::bigint is null or b.id < $4) and ($5::text is null or s.product = $5)
        and ($6::text is null or s.name = $6) and ($7::text is null or b.architecture = $7)
        and ($8::text is null or b.status = $8)
      order by b.id desc limit $9`,
    [
      ...[web, filter.id, filter.sourceId, filter.after, filter.product, filter.source],
      ...[filter.architecture, filter.status, filter.limit],
    ],
  );
  return rows;
}

export function buildRoutes(app: Api, web: string): void {
  const { pool } = app.web.garage;
  app.get(
    '/builds',
    { schema: { summary: 'Builds, newest first', querystring: query, response: { 200: pageOf(build) } } },
    async ({ query: asked }) => {
      const rows = await buildsOf(pool, web, { ...asked, limit: asked.limit + 1 });
      return page(rows, asked.limit, (last) => last.id);
    },
  );
  const one = { params: z.object({ id: rowId }), response: { 200: buildDetails, 404: problem } };
  app.get(
    '/builds/:id',
    { schema: { summary: 'One build, and why it waits', ...one } },
    async ({ params: { id }, account }) => {
      const [[found], attempts] = await Promise.all([
        buildsOf(pool, web, { id, limit: 1 }),
        attemptRows(pool, id),
      ]);
      if (!found) throw missing('build');
      const waiting = await waitingOf(app.web.garage, id, account?.admin === true);
      return { ...found, waiting, attempts: attempts.map((row) => shown(row, `${web}/builds/${id}`)) };
    },
  );
}

async function waitingOf(garage: Garage, id: string, admin: boolean): Promise<object | null> {
  const { code, says, details, ahead, estimate } = await whyWaiting(garage, id, { admin });
  return code === 'over' ? null : { code, says, details, ahead, estimate };
}

function shown(row: AttemptRow, address: string): Record<string, unknown> {
  return {
    ...{ number: row.number, host: row.host, slot: row.slot, stage: row.stage },
    ...{ exitClass: row.exit_class, message: row.message },
    stageSeconds: resultOf(row)?.stageSeconds ?? {},
    ...{ startedAt: row.started_at, finishedAt: row.finished_at },
    logUrl: `${address}/log?attempt=${String(row.number)}`,
  };
}
