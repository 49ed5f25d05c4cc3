/** What the last run left undone, and what the configuration asks for: done before anything new. */
import { rm } from 'node:fs/promises';
import type { Repository } from '../context.ts';
import type { IdentityChange } from '../indexes/identity.ts';
import type { QueueLock } from '../locks.ts';
import { placesOf } from '../places.ts';
import { isRenewalDue } from '../indexes/release.ts';
import { overridesDue } from '../indexes/overrides.ts';
import { recordHeld } from './held-identities.ts';
import { activate, publish } from './publish.ts';
import { publishableShape } from './shape.ts';
import { arrangeSnapshots } from './snapshots.ts';
import { currentNumber, generationFolder, isWritten } from './tree.ts';
import { forgetPreparing, newestGeneration, preparingNumbers } from './rows.ts';

/**
 * More than publishes that follow each other closely are ever dated ahead: the clock was wrong, and apt refuses such a
 * Release as not valid yet.
 */
const AHEAD_MS = 2 * 60_000;

/**
 * Brings (queue, product) to a whole state: forgets generations that were never staged, finishes a
 * switch that was cut off, lets go of old snapshots, and publishes when there is no generation yet, its folder
 * is lost, the configuration changed, its Valid-Until is half over or its Date still to come. The caller holds the
 * `publish` lock.
 */
export async function recover(repository: Repository, lock: QueueLock): Promise<void> {
  const places = placesOf(repository.home, lock.queue, lock.product);
  for (const number of await preparingNumbers(lock.client, lock)) {
    await rm(generationFolder(places, number), { recursive: true, force: true });
    await forgetPreparing(lock.client, lock, number);
    repository.log.info(
      { queue: lock.queue, product: lock.product, number },
      'unfinished generation dropped',
    );
  }
  const cause = await dueCause(repository, lock);
  if (cause !== null) {
    const { queue, product } = lock;
    await publish(repository, lock, { queue, product, add: [], remove: [], cause, who: null });
    return;
  }
  const newest = await newestGeneration(lock.client, lock);
  if (!newest) return;
  if ((await currentNumber(places)) !== newest.number) await activate(repository, lock, newest.number);
  else await arrangeSnapshots(repository, lock);
}

/** Why a generation without changes is due, or null. */
async function dueCause(repository: Repository, lock: QueueLock): Promise<string | null> {
  const places = placesOf(repository.home, lock.queue, lock.product);
  await repository.signer.refresh(); // which keys sign is part of the shape
  const { shape, refused } = await publishableShape(repository, lock.client, lock);
  await tellRefused(repository, lock, refused);
  const newest = await newestGeneration(lock.client, lock);
  if (newest === null) return 'initial';
  if (!(await isWritten(places, newest.number))) return 'repair';
  if (newest.shape !== JSON.stringify(shape)) return 'configuration';
  if (await overridesDue(lock)) return 'override';
  const date = newest.datedAt ?? newest.createdAt;
  const isAhead = date.getTime() > repository.now().getTime() + AHEAD_MS;
  return isAhead || isRenewalDue(shape, date, repository.now()) ? 'renewal' : null;
}

/** Said at each sweep, as long as it holds; clients see the identity of before meanwhile. */
async function tellRefused(
  repository: Repository,
  { client, queue, product }: QueueLock,
  refused: IdentityChange[],
): Promise<void> {
  repository.metrics.identityRefused.set({ queue, product }, refused.length);
  const changes = refused.map(({ field, from, to, effect }) => ({ field, from, to, effect }));
  await recordHeld(client, { queue, product }, changes);
  if (changes.length === 0) return;
  repository.log.error(
    { queue, product, changes, hint: `autobuilder identity accept ${queue} --product ${product}` },
    'the configuration changes what clients know the archive by: not published',
  );
}
