/** Where things lie below `$AUTOBUILDER_HOME/repository/staging/<queue>/`: the shape that live has too. */
import path from 'node:path';
import type { Home } from '../../shared/config/home.ts';
import { joinInside } from '../../shared/files/safe-path.ts';
import { productName, queueName } from '../../shared/protocol/names.ts';

export interface QueuePlaces {
  /** `staging/<queue>` */
  root: string;
  /** `staging/<queue>/pool/<product>`; paths in `pool_files` start here. */
  pool: string;
  /** `staging/<queue>/generations/<product>` */
  generations: string;
  /** `staging/<queue>/dists/<product>`, a symlink to a generation's folder. */
  dists: string;
  /** `staging/<queue>/.<product>.changed` */
  marker: string;
  /** `repository/index-state/<queue>/<product>`: a cache of what the indexes were made of. */
  states: string;
}

/** The places of one product in one queue; throws for names that are not in the form. */
export function placesOf(home: Home, queue: string, product: string): QueuePlaces {
  const root = joinInside(home.staging, queueName.parse(queue));
  const name = productName.parse(product);
  return {
    root,
    pool: path.join(root, 'pool', name),
    generations: path.join(root, 'generations', name),
    dists: path.join(root, 'dists', name),
    marker: path.join(root, `.${name}.changed`),
    states: path.join(home.repository, 'index-state', queueName.parse(queue), name),
  };
}

/** Folder of what was refused: `quarantine/<id>/` with a REASON file. */
export function quarantineFolder(home: Home): string {
  return path.join(home.repository, 'quarantine');
}

/** Every queue with every product, in order of trust. */
export function queueProducts(common: {
  queues: readonly { name: string }[];
  products: readonly { name: string }[];
}): { queue: string; product: string }[] {
  return common.queues.flatMap((queue) =>
    common.products.map((product) => ({ queue: queue.name, product: product.name })),
  );
}
