import { z } from 'zod';
import { buildsOf } from './builds.ts';
import { limit, page, pageOf } from './paging.ts';
import { missing, problem } from './problems.ts';
import { upload, uploadDetails } from './schemas.ts';
import type { Api } from './typed.ts';

/** Builds of one source: one for each architecture, so far fewer. */
const BUILDS = 200;

const query = z.object({
  after: z.uuid().optional().describe('The `next` of the page before.'),
  limit,
  product: z.string().max(64).optional(),
  uploader: z.string().max(64).optional().describe('A login.'),
  status: z.string().max(32).optional(),
});

const COLUMNS = `u.id, u.product, a.login as uploader, u.trigger_file as "triggerFile", u.status, u.source,
  u.version, u.reason_code as "reasonCode", u.reason, u.hint, u.warnings, u.arrived_at as "arrivedAt",
  u.decided_at as "decidedAt", $1 || '/uploads/' || u.id as url`;

export function uploadRoutes(app: Api, web: string): void {
  const { pool } = app.web.garage;
  app.get(
    '/uploads',
    { schema: { summary: 'Uploads, newest first', querystring: query, response: { 200: pageOf(upload) } } },
    async ({ query: asked }) => {
      const { rows } = await pool.query<{ id: string }>(
        `select ${COLUMNS} from uploads u join accounts a on a.id = u.account_id
          where ($2::uuid is null or (u.arrived_at, u.id) < (select arrived_at, id from uploads where id = $2))
            and ($3::text is null or u.product = $3) and ($4::text is null or a.login = $4)
            and ($5::text is null or u.status = $5)
          order by u.arrived_at desc, u.id desc limit $6`,
        [web, asked.after, asked.product, asked.uploader, asked.status, asked.limit + 1],
      );
      return page(rows, asked.limit, (last) => last.id);
    },
  );
  const one = { params: z.object({ id: z.uuid() }), response: { 200: uploadDetails, 404: problem } };
  app.get('/uploads/:id', { schema: { summary: 'One upload', ...one } }, async ({ params }) => {
    const { rows } = await pool.query<{ sourceId: string | null }>(
      `select ${COLUMNS}, u.signed_by as "signedBy", s.id as "sourceId",
              (select coalesce(jsonb_agg(jsonb_build_object('name', n.name, 'size', f.size) order by n.name), '[]')
                 from (select unnest(u.files) union
                       select name from jsonb_to_recordset(s.files) as k (name text)) as n (name)
                 left join jsonb_to_recordset(s.files) as f (name text, size bigint) using (name)) as files
         from uploads u join accounts a on a.id = u.account_id left join sources s on s.upload_id = u.id
        where u.id = $2`,
      [web, params.id],
    );
    const [row] = rows;
    if (!row) throw missing('upload');
    const { sourceId, ...found } = row;
    const builds = sourceId === null ? [] : await buildsOf(pool, web, { sourceId, limit: BUILDS });
    return { ...found, builds };
  });
}
