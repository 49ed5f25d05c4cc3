import { z } from 'zod';
import { repositoryRows } from '../web/repository.ts';
import { limit, numbered, page, pageOf } from './paging.ts';
import { order } from './schemas.ts';
import type { Api } from './typed.ts';

const query = z.object({
  ...numbered,
  limit,
  product: z.string().max(64).optional(),
  source: z.string().max(128).optional(),
  status: z.string().max(32).optional(),
});

export function orderRoutes(app: Api): void {
  const { pool } = app.web.garage;
  app.get(
    '/orders',
    { schema: { summary: 'Orders, newest first', querystring: query, response: { 200: pageOf(order) } } },
    async ({ query: asked }) => {
      const rows = await repositoryRows<{ id: string }>(
        pool,
        `select id, kind, product, source, source_version as version, from_queue as "from", to_queue as "to",
                to_generation as "toGeneration",
                status, reason_code as "reasonCode", reason, requested_by as "requestedBy",
                requested_at as "requestedAt", finished_at as "finishedAt"
           from repository.orders
          where ($1::bigint is null or id < $1) and ($2::text is null or product = $2)
            and ($3::text is null or source = $3) and ($4::text is null or status = $4)
          order by id desc limit $5`,
        [asked.after, asked.product, asked.source, asked.status, asked.limit + 1],
      );
      return page(rows ?? [], asked.limit, (last) => last.id);
    },
  );
}
