/** What a generation is made from besides its packages: what the configuration asks for, and clients can bear. */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { Repository } from '../context.ts';
import {
  acceptedIdentity,
  guardIdentity,
  harmfulChanges,
  identityOf,
  publishedIdentity,
  type Identity,
  type IdentityChange,
} from '../indexes/identity.ts';
import { releaseShape, type ReleaseShape } from '../indexes/release.ts';
import { queueProducts } from '../places.ts';
import { newestGeneration } from './rows.ts';

interface At {
  queue: string;
  product: string;
}

export interface PublishableShape {
  shape: ReleaseShape;
  /** Changes of the configuration that wait for an admin; the shape is without them. */
  refused: IdentityChange[];
  /** Changes that an admin has accepted are in the shape. */
  isAccepted: boolean;
}

/** What the configuration asks of a product's indexes in a queue, now. */
export function wantedShape(repository: Repository, at: At): ReleaseShape {
  const { fingerprint } = repository.signer.publicKey;
  return releaseShape(repository.common, at, repository.config, fingerprint);
}

/** The shape of the next generation. */
export async function publishableShape(
  repository: Repository,
  database: Queryable,
  at: At,
): Promise<PublishableShape> {
  const wanted = wantedShape(repository, at);
  const newest = await newestGeneration(database, at);
  const published = newest ? publishedIdentity(newest.shape) : null;
  const accepted = {
    identity: published ? await acceptedIdentity(database, at) : null,
    always: repository.config.acceptIdentityChanges,
  };
  return guardIdentity(wanted, published, accepted);
}

export interface IdentityState extends At {
  published: Identity;
  configured: Identity;
  /** What the configuration changes and no generation shows. */
  changes: IdentityChange[];
  /** They wait for an admin; else the next generation will show them. */
  isHeld: boolean;
}

/** Every product in every queue that has been published. Asks nothing of the signer. */
export async function identityStates(
  repository: Pick<Repository, 'common' | 'config' | 'pool'>,
): Promise<IdentityState[]> {
  const states: IdentityState[] = [];
  for (const at of queueProducts(repository.common)) {
    const newest = await newestGeneration(repository.pool, at);
    const published = newest ? publishedIdentity(newest.shape) : null;
    if (!published) continue;
    const wanted = releaseShape(repository.common, at, repository.config, '');
    const accepted = {
      identity: await acceptedIdentity(repository.pool, at),
      always: repository.config.acceptIdentityChanges,
    };
    const isHeld = guardIdentity(wanted, published, accepted).refused.length > 0;
    const changes = harmfulChanges(published, wanted);
    states.push({ ...at, published, configured: identityOf(wanted), changes, isHeld });
  }
  return states;
}
