/** How a removal is ordered. */
import type { Client } from '../database/pool.ts';
import { wake } from '../database/listen.ts';
import { REPOSITORY_CHANNEL } from './tables.ts';

export interface RemovalRequest {
  queue: string;
  product: string;
  source: string;
  /** null: every version. */
  version: string | null;
  /** Also when something that stays could not be installed without it. */
  force: boolean;
  /** Login, or null for an admin on the command line. */
  requestedBy: string | null;
}

/**
 * Writes the order and returns its id; an open order for the very same is found, not doubled. Whether it may and
 * can be done is for the repository to say, who refuses with a reason. In a transaction of the caller's.
 */
export async function orderRemoval(client: Client, request: RemovalRequest): Promise<string> {
  const { queue, product, source, version, force, requestedBy } = request;
  const values = [queue, product, source, version, force, requestedBy];
  const open = await client.query<{ id: string }>(
    `select id from repository.orders
      where kind = 'remove' and status in ('requested', 'blocked', 'accepted')
        and to_queue = $1 and product = $2 and source = $3 and source_version is not distinct from $4
        and force = $5 and requested_by is not distinct from $6
      order by id limit 1`,
    values,
  );
  if (open.rows[0]) return open.rows[0].id;
  const { rows } = await client.query<{ id: string }>(
    `insert into repository.orders
       (kind, from_queue, to_queue, product, source, source_version, force, requested_by)
     values ('remove', $1, $1, $2, $3, $4, $5, $6) returning id`,
    values,
  );
  await wake(client, REPOSITORY_CHANNEL);
  return rows[0]?.id ?? '';
}
