/**
 * The generation engine: give it changes, get a generation.
 *
 * In this order, each step to be repeated after a crash at any instruction:
 *   1. the row `preparing` (the intent) is committed;
 *   2. the folder is written and made durable;
 *   3. one transaction changes what the queue holds, makes the row `staged` and does what the caller
 *      wants to happen with it: from here on the database says that this generation is the one;
 *   4. `dists/<product>` is switched by one rename, snapshots follow, the marker is touched.
 * A crash before 3 leaves a `preparing` row, which `recover` forgets with its folder; a crash after 3
 * leaves a switch undone, which `recover` does.
 *
 * Architecture invariant: nothing here knows where a change came from.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Client } from '../../../shared/database/pool.ts';
import { wake } from '../../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import { lockedTransaction, type QueueLock } from '../locks.ts';
import { placesOf, type QueuePlaces } from '../places.ts';
import { forgetAcceptance } from '../indexes/identity.ts';
import { markOverrides, pendingOverrides, withOverrides } from '../indexes/overrides.ts';
import { keepState } from '../indexes/engine.ts';
import type { Wanted } from '../indexes/plan.ts';
import { touchMarker } from '../sync/marker.ts';
import { fileListsFrom } from '../pool/file-lists.ts';
import { publishableShape } from './shape.ts';
import { arrangeSnapshots } from './snapshots.ts';
import { currentDate, switchTo, writeGeneration } from './tree.ts';
import {
  changeMembers,
  insertPreparing,
  listingAfter,
  moveGeneration,
  namesOf,
  packagesAfter,
  refreshStatistics,
  type Generation,
} from './rows.ts';

/** apt refuses a Date that is more than 10 s ahead of its clock. */
const MAX_DATE_AHEAD_MS = 3_000;

export interface Changes {
  queue: string;
  product: string;
  /** Ids of `packages` that the queue gets. */
  add: readonly string[];
  /** Ids of `packages` that leave it. One that is also added stays. */
  remove: readonly string[];
  /** One word: set, promotion, rollback, initial, configuration, renewal, repair, override. */
  cause: string;
  /** Login, or null for the system itself. */
  who: string | null;
  /** Runs in the transaction that makes the generation the queue's state. */
  alongside?: (client: Client, generation: Generation) => Promise<void>;
}

/**
 * Publishes the changes as the next generation of (queue, product) and returns it, `staged`. The caller
 * holds the `publish` lock and has called `recover`. Throws and changes nothing that is seen, or returns.
 */
export async function publish(
  repository: Repository,
  lock: QueueLock,
  changes: Changes,
): Promise<Generation> {
  const endTimer = repository.metrics.publishSeconds.startTimer();
  const places = placesOf(repository.home, changes.queue, changes.product);
  const { shape, isAccepted } = await publishableShape(repository, lock.client, changes);
  const overrides = await pendingOverrides(lock.client, changes);
  const date = await nextDate(places, repository.now());
  const generation = await insertPreparing(lock.client, {
    ...changes,
    ...{ added: changes.add.length, removed: changes.remove.length },
    ...{ shape: JSON.stringify(shape), datedAt: date },
  });
  await repository.step('generation-preparing');
  const named = await namesOf(lock.client, [...changes.add, ...changes.remove]);
  const content = {
    ...{ shape, date, signer: repository.signer },
    changed: named && [...named, ...overrides.changed],
    listing: () => listingAfter(lock.client, changes),
    packages: async (wanted: Wanted) =>
      withOverrides(lock.client, changes, await packagesAfter(lock.client, changes, wanted)),
    fileLists: fileListsFrom({ database: lock.client, pool: places.pool, log: repository.log }),
  };
  await writeGeneration(places, generation.number, content, (name) => repository.step(name));
  await repository.step('generation-written');
  await stage(repository, lock, generation, {
    ...changes,
    alongside: async (client, made) => {
      if (overrides.upTo !== null) await markOverrides(client, changes, overrides.upTo);
      if (isAccepted) await forgetAcceptance(client, changes);
      await changes.alongside?.(client, made);
    },
  });
  await repository.step('generation-staged');
  await refreshStatistics(lock.client, changes);
  await activate(repository, lock, generation.number);
  endTimer();
  repository.metrics.generations.inc({ queue: changes.queue, cause: changes.cause });
  const { queue, product, number, cause, added, removed } = generation;
  repository.log.info({ queue, product, number, cause, added, removed }, 'generation staged');
  return { ...generation, status: 'staged' };
}

async function stage(
  repository: Repository,
  lock: QueueLock,
  generation: Generation,
  changes: Changes,
): Promise<void> {
  const added = new Set(changes.add);
  const remove = changes.remove.filter((id) => !added.has(id));
  await lockedTransaction(lock, async (client) => {
    if (!(await moveGeneration(client, generation.id, 'preparing', 'staged'))) {
      throw new AppError('generation-taken', 'Another process took over this generation');
    }
    await changeMembers(client, { ...changes, remove, generationId: generation.id });
    await changes.alongside?.(client, generation);
    await wake(client, GARAGE_CHANNEL);
    await repository.step('generation-staging');
  });
}

/** Lets clients of staging see the generation, keeps and drops snapshots, tells rqp. */
export async function activate(repository: Repository, lock: QueueLock, number: number): Promise<void> {
  const places = placesOf(repository.home, lock.queue, lock.product);
  await switchTo(places, number);
  await repository.step('generation-switched');
  await arrangeSnapshots(repository, lock);
  await touchMarker(places.marker, number);
  await repository.step('marker-touched');
  await keepState(places.states, number);
}

/**
 * Now, in whole seconds, but after the generation before: clients that ask "modified since" compare
 * seconds. More than one a second for long would run ahead of the clock, and waits instead.
 */
async function nextDate(places: QueuePlaces, clock: Date): Promise<Date> {
  const previous = await currentDate(places);
  const now = Math.floor(clock.getTime() / 1000) * 1000;
  if (previous === null || previous.getTime() < now) return new Date(now);
  const next = Math.floor(previous.getTime() / 1000) * 1000 + 1000;
  const aheadMs = next - clock.getTime();
  // A clock that was set back by more is not waited for.
  if (aheadMs > MAX_DATE_AHEAD_MS && aheadMs < 60_000) await delay(aheadMs - MAX_DATE_AHEAD_MS);
  return new Date(aheadMs < 60_000 ? next : now);
}
