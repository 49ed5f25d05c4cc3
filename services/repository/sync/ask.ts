/** Asking for a sync, as a person by command or a check that found damage does. */
import { wake } from '../../../shared/database/listen.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { REPOSITORY_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Repository } from '../context.ts';
import { newestGeneration } from '../generations/rows.ts';
import { placesOf, queueProducts } from '../places.ts';
import { touchMarker } from './marker.ts';
import type { At } from './states.ts';
import { registerTargets, targetsOf, type Target } from './targets.ts';

export interface Wanted {
  /** Default: all. */
  queue?: string;
  product?: string;
  target?: string;
  /** Compare by content, not by size and time. */
  verify?: boolean;
}

export interface Asked {
  target: Target;
  at: At;
}

/**
 * Asks for all files of the chosen targets to be looked at, at once whatever they wait for, and touches the
 * markers. Returns what was asked. Throws `queue-unknown`, `product-unknown`, `target-unknown`.
 */
export async function askForSync(repository: Repository, wanted: Wanted = {}): Promise<Asked[]> {
  const all = targetsOf(repository);
  requireKnown('target', wanted.target, all);
  requireKnown('queue', wanted.queue, repository.common.queues);
  requireKnown('product', wanted.product, repository.common.products);
  await registerTargets(repository.pool, all);
  const asked: Asked[] = [];
  for (const at of queueProducts(repository.common)) {
    if (at.queue !== (wanted.queue ?? at.queue) || at.product !== (wanted.product ?? at.product)) continue;
    const newest = await newestGeneration(repository.pool, at);
    if (!newest) continue; // nothing was ever published
    const targets = all.filter(
      (target) => target.queues.includes(at.queue) && target.name === (wanted.target ?? target.name),
    );
    for (const target of targets) {
      await askOne(repository, target, at, wanted.verify ? 'verify' : 'full');
      asked.push({ target, at });
    }
    if (targets.length > 0)
      await touchMarker(placesOf(repository.home, at.queue, at.product).marker, newest.number);
  }
  await wake(repository.pool, REPOSITORY_CHANNEL);
  return asked;
}

/** What was asked before and is more stays. */
async function askOne(
  repository: Repository,
  target: Target,
  at: At,
  mode: 'full' | 'verify',
): Promise<void> {
  await repository.pool.query(
    `insert into sync_states as s (target, queue, product, location, asked, asked_at)
     values ($1, $2, $3, $4, $5, date_trunc('milliseconds', clock_timestamp()))
     on conflict (target, queue, product) do update
       set asked = case when s.asked = 'verify' then s.asked else $5 end,
           asked_at = date_trunc('milliseconds', clock_timestamp()), next_try_at = null`,
    [target.name, at.queue, at.product, target.text, mode],
  );
}

function requireKnown(kind: string, name: string | undefined, known: readonly { name: string }[]): void {
  if (name === undefined || known.some((each) => each.name === name)) return;
  throw new AppError(`${kind}-unknown`, `There is no ${kind} '${name}'`, {
    hint: `Configured are: ${known.map((each) => each.name).join(', ')}.`,
  });
}
