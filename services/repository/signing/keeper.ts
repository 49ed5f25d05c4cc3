/**
 * Keeps what clients and people see of the keys true: asks the signer, publishes the keyring and its
 * package, records the keys for garage. A look by schedule, when woken, and after each change by a command;
 * every part may be repeated by several processes at once.
 */
import { coalesce, type Coalesced } from '../coalesce.ts';
import type { Repository } from '../context.ts';
import { currentNumber } from '../generations/tree.ts';
import { handOverKeyring } from '../keyring/hand-over.ts';
import { placesOf, queueProducts } from '../places.ts';
import { touchMarker } from '../sync/marker.ts';
import { recordKeys, troubleOf } from './key-rows.ts';
import { publishKey } from './publish-key.ts';

/** One look. True when a set was handed over, so that queue managers have work. Throws what the signer throws. */
export async function keepKeys(repository: Repository): Promise<boolean> {
  const { signer, pool } = repository;
  try {
    await signer.refresh();
  } catch (error) {
    await recordKeys(pool, null, signer.trouble);
    throw error;
  }
  const { keyring } = signer;
  await recordKeys(pool, keyring, troubleOf(keyring, signer.trouble));
  await repository.step('keys-recorded');
  repository.metrics.keyExpires.reset();
  for (const { fingerprint, state, expiresAt } of keyring.keys) {
    if (state !== 'announced' && state !== 'active') continue;
    const end = expiresAt === null ? 0 : Date.parse(expiresAt) / 1000;
    repository.metrics.keyExpires.set({ fingerprint, state }, end);
  }
  if (await publishKey(repository)) await askForSync(repository);
  await repository.step('keyring-published');
  return handOverKeyring(repository);
}

/** The keyring lies beside the generations: a sync takes it along. */
async function askForSync(repository: Repository): Promise<void> {
  for (const at of queueProducts(repository.common)) {
    const places = placesOf(repository.home, at.queue, at.product);
    const number = await currentNumber(places);
    if (number !== null) await touchMarker(places.marker, number);
  }
}

/** The loop of the service; `onWork` is called when queue managers have something new. */
export function createKeyKeeper(repository: Repository, onWork: () => void): Coalesced {
  return coalesce(
    async () => {
      if (await keepKeys(repository)) onWork();
    },
    (error) => repository.log.error({ err: error }, 'the archive keys cannot be kept, tried again'),
  );
}
