/** Orders to the repository: garage writes the row, the repository alone decides and carries it out. */
import { wake } from '../../../shared/database/listen.ts';
import { transaction } from '../../../shared/database/pool.ts';
import { isValidVersion } from '../../../shared/debian/version.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { sourceName } from '../../../shared/protocol/names.ts';
import { REPOSITORY_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { hasRepository } from '../dispatch/repository-tables.ts';

export interface PromotionRequest {
  product: string;
  source: string;
  /** Default: whatever version `from` holds when the order is carried out. */
  version?: string;
  from: string;
  to: string;
  /** Login, or null for an admin on this host's command line. */
  requestedBy: string | null;
}

/**
 * Orders a promotion and returns the order's id; an open order for the very same is found, not doubled.
 * Whether the person may is for the repository to say, who refuses with a reason.
 *
 * Throws `product-unknown`, `queue-unknown`, `queue-order`, `source-invalid`, `version-invalid`,
 * `repository-not-started`.
 */
export async function requestPromotion(garage: Garage, request: PromotionRequest): Promise<string> {
  validate(garage, request);
  if (!(await hasRepository(garage.pool))) {
    throw new AppError('repository-not-started', 'The repository service has not run here yet', {
      hint: 'Start it; it makes its tables.',
    });
  }
  const { product, source, from, to, requestedBy } = request;
  const values = [product, source, request.version ?? null, from, to, requestedBy];
  return transaction(garage.pool, async (client) => {
    const open = await client.query<{ id: string }>(
      `select id from repository.orders
        where kind = 'promote' and status in ('requested', 'blocked', 'accepted')
          and product = $1 and source = $2 and source_version is not distinct from $3
          and from_queue = $4 and to_queue = $5 and requested_by is not distinct from $6
        order by id limit 1`,
      values,
    );
    if (open.rows[0]) return open.rows[0].id;
    const { rows } = await client.query<{ id: string }>(
      `insert into repository.orders
         (kind, product, source, source_version, from_queue, to_queue, requested_by)
       values ('promote', $1, $2, $3, $4, $5, $6) returning id`,
      values,
    );
    await wake(client, REPOSITORY_CHANNEL);
    return rows[0]?.id ?? '';
  });
}

function validate(garage: Garage, request: PromotionRequest): void {
  const { products, queues } = garage.common;
  requireKnown('product', request.product, products);
  const from = requireKnown('queue', request.from, queues);
  const to = requireKnown('queue', request.to, queues);
  if (to <= from) {
    throw new AppError('queue-order', `'${request.to}' does not come after '${request.from}'`, {
      hint: `The order is ${queues.map((queue) => queue.name).join(', ')}.`,
    });
  }
  if (!sourceName.safeParse(request.source).success) {
    throw new AppError('source-invalid', `'${request.source.slice(0, 200)}' is not a source package name`);
  }
  if (request.version !== undefined && !isValidVersion(request.version)) {
    throw new AppError('version-invalid', `'${request.version.slice(0, 200)}' is not a Debian version`);
  }
}

/** The name's place in the list. */
function requireKnown(what: 'product' | 'queue', name: string, known: readonly { name: string }[]): number {
  const at = known.findIndex((each) => each.name === name);
  if (at !== -1) return at;
  throw new AppError(`${what}-unknown`, `There is no ${what} '${name.slice(0, 100)}'`, {
    hint: `Known: ${known.map((each) => each.name).join(', ')}`,
  });
}
