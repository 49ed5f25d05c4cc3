/** How a roll-back is ordered, by the command line of the repository and by garage's pages alike. */
import type { Client } from '../database/pool.ts';
import { wake } from '../database/listen.ts';
import { REPOSITORY_CHANNEL } from './tables.ts';

export interface RollbackRequest {
  queue: string;
  product: string;
  /** Number of the generation whose content comes back. */
  to: number;
  /** The newest that the requester saw: what came since is not thrown away unseen. */
  seen: number;
  /** Login, or null for an admin on the command line. */
  requestedBy: string | null;
}

/**
 * Writes the order and returns its id; an open order for the very same is found, not doubled. Whether it may and
 * can be done is for the repository to say, who refuses with a reason. In a transaction of the caller's.
 */
export async function orderRollback(client: Client, request: RollbackRequest): Promise<string> {
  const { queue, product, to, seen, requestedBy } = request;
  const values = [queue, product, to, seen, requestedBy];
  const open = await client.query<{ id: string }>(
    `select id from repository.orders
      where kind = 'rollback' and status in ('requested', 'blocked', 'accepted')
        and to_queue = $1 and product = $2 and to_generation = $3 and from_generation = $4
        and requested_by is not distinct from $5
      order by id limit 1`,
    values,
  );
  if (open.rows[0]) return open.rows[0].id;
  const { rows } = await client.query<{ id: string }>(
    `insert into repository.orders
       (kind, from_queue, to_queue, product, to_generation, from_generation, requested_by)
     values ('rollback', $1, $1, $2, $3, $4, $5) returning id`,
    values,
  );
  await wake(client, REPOSITORY_CHANNEL);
  return rows[0]?.id ?? '';
}
