/** How long builds take, from those that ended well. */
import type { Queryable } from '../../../shared/database/pool.ts';

/** Enough that one odd build says little, few enough that a package that grew is seen. */
const LAST_OF_SOURCE = 5;
/** For a source that was never built there. */
const LAST_OF_PRODUCT = 50;
/** Where nothing was built yet: about what a small package takes with its base at hand. */
const UNKNOWN_S = 60;

export interface Duration {
  seconds: number;
  /** From what: this source's own builds, the product's, or nothing at all. */
  basis: 'source' | 'product' | 'none';
}

/** The median time of a source's last builds on an architecture, or of the product's, in seconds. */
export async function typicalDuration(
  database: Queryable,
  build: { product: string; source: string; architecture: string },
): Promise<Duration> {
  const { product, source, architecture } = build;
  const own = await median(
    database,
    `select a.finished_at - a.started_at as took
       from sources s join builds b on b.source_id = s.id join attempts a on a.build_id = b.id
      where s.product = $1 and b.architecture = $2 and a.exit_class = 'success' and s.name = $3
      order by a.finished_at desc limit ${String(LAST_OF_SOURCE)}`,
    [product, architecture, source],
  );
  if (own !== null) return { seconds: own, basis: 'source' };
  const others = await productDuration(database, product, architecture);
  return others === null ? { seconds: UNKNOWN_S, basis: 'none' } : { seconds: others, basis: 'product' };
}

async function productDuration(
  database: Queryable,
  product: string,
  architecture: string,
): Promise<number | null> {
  return median(
    database,
    `select a.finished_at - a.started_at as took
       from attempts a join builds b on b.id = a.build_id
      where a.exit_class = 'success' and b.product = $1 and b.architecture = $2
      order by a.finished_at desc limit ${String(LAST_OF_PRODUCT)}`,
    [product, architecture],
  );
}

async function median(database: Queryable, sql: string, values: string[]): Promise<number | null> {
  const { rows } = await database.query<{ seconds: number | null }>(
    `select percentile_cont(0.5) within group (order by extract(epoch from took))::float8 as seconds
       from (${sql}) last`,
    values,
  );
  return rows[0]?.seconds ?? null;
}

/** The product's typical time on an architecture, whatever the source. */
export async function typicalOfProduct(
  database: Queryable,
  product: string,
  architecture: string,
): Promise<number> {
  return (await productDuration(database, product, architecture)) ?? UNKNOWN_S;
}
