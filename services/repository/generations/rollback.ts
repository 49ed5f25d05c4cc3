/** What a roll-back would do, or why it is refused. Facts only; nothing is changed here. */
import { stat } from 'node:fs/promises';
import type { CommonConfig } from '../../../shared/config/common.ts';
import type { Home } from '../../../shared/config/home.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import {
  comparedPackages,
  packageDifferences,
  type PackageDifference,
} from '../../../shared/protocol/generation-history.ts';
import { keyringPackageName } from '../../../shared/protocol/names.ts';
import { placesOf } from '../places.ts';
import { poolFiles } from '../pool/records.ts';
import { newestGeneration } from './rows.ts';

/** More packages than any archive has; a bound for memory. */
const MAX_COMPARED = 1_000_000;
/** Files that a refusal names. */
const NAMED_FILES = 5;

export interface RollbackPlan {
  queue: string;
  product: string;
  from: number;
  to: number;
  /** Ids of `packages`. */
  add: string[];
  remove: string[];
  /** Sources of which something comes or goes. */
  sources: string[];
  /** What clients will see. */
  differences: PackageDifference[];
}

/**
 * Works out how a queue gets the content of generation `to` back, but for the package of the archive's keys: clients
 * trust by it what is signed now. `seen`: the newest generation that the
 * requester knew of, or null. Throws an AppError that refuses it: `generation-unknown`, `changes-unknown`,
 * `queue-moved-on`, `nothing-to-roll-back`, `files-gone`.
 */
export async function planRollback(
  repository: { home: Home; common: CommonConfig },
  database: Queryable,
  wanted: { queue: string; product: string; to: number; seen: number | null },
): Promise<RollbackPlan> {
  const { queue, product, to } = wanted;
  const newest = await newestGeneration(database, wanted);
  if (!newest) throw new AppError('generation-unknown', `${queue} has no generation of ${product} yet`);
  if (wanted.seen !== null) await checkNotMoved(database, wanted, wanted.seen);
  const range = { from: newest.number, to, limit: MAX_COMPARED };
  const keyring = keyringPackageName(repository.common.name);
  const compared = (await comparedPackages(database, wanted, range)).filter(
    (each) => each.source !== keyring,
  );
  const add = compared.filter((each) => each.after && !each.before);
  const remove = compared.filter((each) => each.before && !each.after);
  if (add.length + remove.length === 0) {
    throw new AppError(
      'nothing-to-roll-back',
      `${queue} holds for ${product} just what generation ${String(to)} held`,
    );
  }
  await checkFiles(repository.home, database, wanted, ids(add));
  return {
    ...{ queue, product, from: newest.number, to, add: ids(add), remove: ids(remove) },
    sources: [...new Set([...add, ...remove].map((each) => each.source))],
    differences: packageDifferences(compared),
  };
}

function ids(packages: readonly { id: string }[]): string[] {
  return packages.map((each) => each.id);
}

/** What came after the generation that the requester saw would go too, unseen. */
async function checkNotMoved(
  database: Queryable,
  { queue, product }: { queue: string; product: string },
  seen: number,
): Promise<void> {
  const { rows } = await database.query<{ number: number }>(
    `select number from generations
      where queue = $1 and product = $2 and status <> 'preparing' and number > $3 and added + removed > 0
      order by number limit 1`,
    [queue, product, seen],
  );
  if (!rows[0]) return;
  throw new AppError(
    'queue-moved-on',
    `${queue} has published generation ${String(rows[0].number)} of ${product} since this was looked at: look again and order it anew.`,
  );
}

/** Files that come back must still be in the pool; garbage collection may have been there. */
async function checkFiles(
  home: Home,
  database: Queryable,
  { queue, product }: { queue: string; product: string },
  add: readonly string[],
): Promise<void> {
  const { rows } = await database.query<{ path: string }>(
    'select distinct unnest(files) as path from packages where id = any($1::bigint[])',
    [add],
  );
  const { pool } = placesOf(home, queue, product);
  const paths = rows.map((row) => row.path);
  const gone: string[] = [];
  for (const file of await poolFiles(database, product, paths)) {
    const found = await stat(joinInside(pool, file.path)).catch(() => null);
    if (found?.size !== file.size) gone.push(file.path);
  }
  if (gone.length === 0) return;
  const more = gone.length > NAMED_FILES ? ` and ${String(gone.length - NAMED_FILES)} more` : '';
  throw new AppError(
    'files-gone',
    `The pool of ${queue} no longer has ${gone.slice(0, NAMED_FILES).join(', ')}${more}, which that generation needs.`,
  );
}

/**
 * The generation that took a version of a source away by a roll-back, or null. Nothing of it comes back by
 * itself: neither another architecture's build that was under way nor an order from before.
 */
export async function rolledBackBy(
  database: Queryable,
  at: { queue: string; product: string },
  source: string,
  version: string,
): Promise<{ number: number; createdAt: Date } | null> {
  const { rows } = await database.query<{ number: number; createdAt: Date; cause: string; change: string }>(
    `select g.number, g.created_at as "createdAt", g.cause, c.change
       from packages p
       join generation_changes c on c.package_id = p.id
       join generations g on g.id = c.generation_id
      where p.product = $2 and p.source = $3 and p.source_version = $4
        and g.queue = $1 and g.product = $2 and g.status <> 'preparing'
        and not exists (select 1 from members m join packages h on h.id = m.package_id
                         where m.queue = $1 and m.product = $2 and h.source = $3 and h.source_version = $4)
      order by g.number desc, c.change limit 1`,
    [at.queue, at.product, source, version],
  );
  const [last] = rows;
  return last?.cause === 'rollback' && last.change === '-' ? last : null;
}
