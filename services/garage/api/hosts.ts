import { z } from 'zod';
import { limit, page, pageOf } from './paging.ts';
import { host } from './schemas.ts';
import type { Api } from './typed.ts';

const query = z.object({ after: z.string().max(200).optional().describe('The `next` before.'), limit });

/** Public facts for everybody; addresses and errors, which tell where the machines are, for admins. */
export function hostRoutes(app: Api): void {
  const { pool } = app.web.garage;
  app.get(
    '/hosts',
    { schema: { summary: 'Builder hosts by name', querystring: query, response: { 200: pageOf(host) } } },
    async ({ query: asked, account }) => {
      const details = account?.admin === true ? ', h.address, h.port, h.last_error as "lastError"' : '';
      const { rows } = await pool.query<{ name: string }>(
        `select h.name, h.architectures, h.slots, h.status, h.last_seen_at as "lastSeenAt" ${details},
                (select count(*)::int from attempts t where t.host_id = h.id and t.finished_at is null)
                  as "busySlots"
           from hosts h
          where h.status <> 'removed' and ($1::text is null or h.name > $1)
          order by h.name limit $2`,
        [asked.after, asked.limit + 1],
      );
      return page(rows, asked.limit, (last) => last.name);
    },
  );
}
