/** Lets go of old versions, one generation for each queue and product that has any; cause `retention`. */
import type { Queryable } from '../../../../shared/database/pool.ts';
import type { Repository } from '../../context.ts';
import { publish } from '../../generations/publish.ts';
import { recover } from '../../generations/recover.ts';
import { requireProduct, requireQueue } from '../../indexes/release.ts';
import { withQueueLock } from '../../locks.ts';
import { queueProducts } from '../../places.ts';
import { planRetention, type Verdict } from './plan.ts';
import { versionKey, type HeldPackage } from './slices.ts';

/** A queue manager may be publishing a large set; past this the queue waits for the next time. */
const LOCK_WAIT_MS = 60_000;

interface At {
  queue: string;
  product: string;
}

export interface RetentionReport extends At {
  verdicts: Verdict[];
  /** Of the generation that came of it; null when nothing left. */
  generation: number | null;
  /** Another process held the queue for too long; nothing was done. */
  isBusy: boolean;
}

/** Every product of a queue, or of all queues. One's failure is thrown after the last. */
export async function retainAll(
  repository: Repository,
  options: { queue?: string; dryRun?: boolean } = {},
): Promise<RetentionReport[]> {
  if (options.queue !== undefined) requireQueue(repository.common, options.queue);
  const reports: RetentionReport[] = [];
  const failures: unknown[] = [];
  for (const at of queueProducts(repository.common)) {
    if (options.queue !== undefined && at.queue !== options.queue) continue;
    try {
      reports.push(await retain(repository, at, options.dryRun === true));
    } catch (error) {
      repository.log.error({ err: error, ...at }, 'retention failed, tried again at the next');
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return reports;
}

async function retain(repository: Repository, at: At, isDry: boolean): Promise<RetentionReport> {
  // Most queues have nothing to let go, and need no lock to know it; nor do publishes wait for a long plan.
  const state = await stateOf(repository, repository.pool, at);
  const verdicts = await plan(repository, repository.pool, at);
  if (isDry || !verdicts.some((each) => each.leaves)) {
    return { ...at, verdicts, generation: null, isBusy: false };
  }
  const lockAt = { kind: 'publish', ...at, waitMs: LOCK_WAIT_MS } as const;
  const done = await withQueueLock(repository.pool, lockAt, async (lock): Promise<RetentionReport> => {
    await recover(repository, lock);
    const isAsPlanned = (await stateOf(repository, lock.client, at)) === state;
    const now = isAsPlanned ? verdicts : await plan(repository, lock.client, at);
    const remove = now.filter((each) => each.leaves).flatMap((each) => each.ids);
    if (remove.length === 0) return { ...at, verdicts: now, generation: null, isBusy: false };
    await repository.step('retention-planned');
    const { number } = await publish(repository, lock, {
      ...{ ...at, add: [], remove, cause: 'retention', who: null },
    });
    return { ...at, verdicts: now, generation: number, isBusy: false };
  });
  return done ?? { ...at, verdicts, generation: null, isBusy: true };
}

/** Another one when this queue or a later one holds something else since. */
async function stateOf(repository: Repository, database: Queryable, at: At): Promise<string> {
  const { rows } = await database.query<{ queue: string; number: number }>(
    'select queue, number from newest_generations where product = $1 and queue = any($2::text[]) order by queue',
    [at.product, [at.queue, ...laterQueues(repository, at)]],
  );
  return JSON.stringify(rows);
}

function laterQueues(repository: Repository, at: At): string[] {
  const names = repository.common.queues.map((queue) => queue.name);
  return names.slice(names.indexOf(at.queue) + 1);
}

async function plan(repository: Repository, database: Queryable, at: At): Promise<Verdict[]> {
  const { rows } = await database.query<HeldPackage>(
    `select p.id, p.kind, p.name, p.version, p.architecture, p.source, p.source_version as "sourceVersion", m.since,
            case when p.kind = 'source'
                 then regexp_split_to_array(substring(p.stanza from '\nArchitecture: *([^\n]*)'), ' +') end as "builtFor"
       from members m join packages p on p.id = m.package_id
      where m.queue = $1 and m.product = $2 order by p.id`,
    [at.queue, at.product],
  );
  return planRetention({
    packages: rows,
    rule: requireQueue(repository.common, at.queue).retention,
    now: repository.now(),
    later: await laterHolds(repository, database, at),
    stanzas: async () => {
      const ids = rows.map((row) => row.id);
      const found = await database.query<{ id: string; stanza: string }>(
        'select id, stanza from packages where id = any($1::bigint[])',
        [ids],
      );
      return new Map(found.rows.map((row) => [row.id, row.stanza]));
    },
    architectures: requireProduct(repository.common, at.product).architectures,
  });
}

/** Versions that the queues after this one hold, with the first of them. */
async function laterHolds(repository: Repository, database: Queryable, at: At): Promise<Map<string, string>> {
  const later = laterQueues(repository, at);
  const { rows } = await database.query<{ queue: string; source: string; sourceVersion: string }>(
    `select distinct m.queue, p.source, p.source_version as "sourceVersion"
       from members m join packages p on p.id = m.package_id
      where m.product = $1 and m.queue = any($2::text[])`,
    [at.product, later],
  );
  const order = (row: { queue: string }): number => later.indexOf(row.queue);
  const sorted = rows.toSorted((a, b) => order(b) - order(a));
  return new Map(sorted.map((row) => [versionKey(row), row.queue]));
}
