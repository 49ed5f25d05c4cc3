import { architecturesToBuild } from '../../../shared/debian/architecture.ts';
import { firstRow, type Queryable } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';

/**
 * Writes a build row for each architecture that an accepted source is built on; part of the transaction
 * that accepts it. The source's files are at their place once `uploads.settled_at` is set, not before.
 */
export async function planBuilds(database: Queryable, garage: Garage, sourceId: string): Promise<void> {
  const { rows } = await database.query<{ product: string; architectures: string[] }>(
    'select product, architectures from sources where id = $1',
    [sourceId],
  );
  const source = firstRow(rows, 'source-unknown', `There is no source ${sourceId}`);
  const product = garage.common.products.find(({ name }) => name === source.product);
  if (!product) return;
  const [preferred] = product.architectures;
  for (const build of architecturesToBuild(source.architectures, product.architectures, preferred)) {
    await database.query(
      `insert into builds (source_id, architecture, binaries) values ($1, $2, $3)
       on conflict (source_id, architecture) do nothing`,
      [sourceId, build.architecture, build.binaries],
    );
  }
}
