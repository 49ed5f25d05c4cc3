import { z } from 'zod';
import { limit, numbered, page, pageOf } from './paging.ts';
import { source } from './schemas.ts';
import type { Api } from './typed.ts';

const query = z.object({
  ...numbered,
  limit,
  product: z.string().max(64).optional(),
  source: z.string().max(128).optional().describe('A source package name.'),
});

export function sourceRoutes(app: Api, web: string): void {
  const { pool } = app.web.garage;
  const schema = { summary: 'Accepted sources, newest first', querystring: query };
  app.get(
    '/sources',
    { schema: { ...schema, response: { 200: pageOf(source) } } },
    async ({ query: asked }) => {
      const { rows } = await pool.query<{ id: string; product: string; source: string }>(
        `select s.id, s.product, s.name as source, s.version, s.component, s.architectures, a.login as uploader,
              s.upload_id as "uploadId", s.accepted_at as "acceptedAt"
         from sources s join uploads u on u.id = s.upload_id join accounts a on a.id = u.account_id
        where ($1::bigint is null or s.id < $1) and ($2::text is null or s.product = $2)
          and ($3::text is null or s.name = $3)
        order by s.id desc limit $4`,
        [asked.after, asked.product, asked.source, asked.limit + 1],
      );
      const items = rows.map((row) => ({
        ...row,
        url: `${web}/sources/${row.product}/${encodeURIComponent(row.source)}`,
      }));
      return page(items, asked.limit, (last) => last.id);
    },
  );
}
