/**
 * What generations of a queue brought, read from the repository's tables (tables.ts): by the repository for
 * its own work and by garage for its pages, so that both say the same.
 */
import type { Queryable } from '../database/pool.ts';
import { compareVersions } from '../debian/version.ts';
import { AppError } from '../errors/app-error.ts';

export interface HistoryRow {
  id: string;
  number: number;
  status: 'preparing' | 'staged' | 'live';
  cause: string;
  /** Login, or null for the system itself. */
  who: string | null;
  /** Packages, not sources: each architecture's binary is one. */
  added: number;
  removed: number;
  createdAt: Date;
  liveAt: Date | null;
  /** What apt finds below `<queue>/snapshot/`, or null when there is none (any more). */
  snapshot: string | null;
  /** Of a roll-back: the generation that it went back to. */
  backTo: number | null;
}

interface At {
  queue: string;
  product: string;
}

/** `20260131T235959Z`: a generation's date as the name of its snapshot. */
export function snapshotName(date: Date): string {
  return date.toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

const HISTORY = `
  select g.id, g.number, g.status, g.cause, g.who, g.added, g.removed, g.created_at as "createdAt",
         g.live_at as "liveAt", case when g.dropped_at is null then g.dated_at end as "datedAt",
         (select max(o.to_generation) from repository.orders o where o.generation_id = g.id) as "backTo"
    from repository.generations g
   where g.queue = $1 and g.product = $2 and g.status <> 'preparing'`;

/** Published states, the newest first, from below `before` on. */
export async function generationHistory(
  database: Queryable,
  at: At,
  { before = null, limit }: { before?: number | null; limit: number },
): Promise<HistoryRow[]> {
  const { rows } = await database.query<Omit<HistoryRow, 'snapshot'> & { datedAt: Date | null }>(
    `${HISTORY} and ($3::int is null or g.number < $3) order by g.number desc limit $4`,
    [at.queue, at.product, before, limit],
  );
  return rows.map(({ datedAt, ...row }) => ({ ...row, snapshot: datedAt && snapshotName(datedAt) }));
}

/**
 * The generation that is meant: a number, or the name of its snapshot. Throws `generation-invalid` and
 * `generation-unknown`.
 */
export async function findGeneration(database: Queryable, at: At, text: string): Promise<number> {
  const date = readSnapshotName(text);
  if (!date && !/^[1-9][0-9]{0,8}$/.test(text)) {
    const said = text.slice(0, 40);
    throw new AppError('generation-invalid', `'${said}' is neither a generation's number nor a snapshot`, {
      hint: 'Such as 12 or 20260131T235959Z; autobuilder generation list shows both.',
    });
  }
  const { rows } = await database.query<{ number: number }>(
    `select number from repository.generations
      where queue = $1 and product = $2 and status <> 'preparing'
        and (number = $3::int or dated_at = $4::timestamptz) order by number desc limit 1`,
    [at.queue, at.product, date ? null : text, date],
  );
  if (rows[0]) return rows[0].number;
  throw new AppError('generation-unknown', `${at.queue} has no generation ${text} of ${at.product}`);
}

function readSnapshotName(text: string): Date | null {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!parts) return null;
  const [, year, month, day, hour, minute, second] = parts;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** The newest generation whose packages differ from those of the newest of all; null when there is none. */
export async function generationBefore(database: Queryable, at: At): Promise<number | null> {
  const { rows } = await database.query<{ number: number }>(
    `select number - 1 as number from repository.generations
      where queue = $1 and product = $2 and status <> 'preparing' and added + removed > 0 and number > 1
      order by number desc limit 1`,
    [at.queue, at.product],
  );
  return rows[0]?.number ?? null;
}

/** One package that is there in one generation only. */
export interface ChangedPackage {
  id: string;
  /** '+': only in the second. */
  change: '+' | '-';
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  version: string;
  architecture: string;
  source: string;
}

/**
 * What makes generation `to` of generation `from`, either the older one: at most `limit` packages, by source
 * and name. Throws `generation-unknown`, and `changes-unknown` where the history does not reach.
 */
export async function changedPackages(
  database: Queryable,
  at: At,
  { from, to, limit }: { from: number; to: number; limit: number },
): Promise<ChangedPackage[]> {
  await requireKnown(database, at, from, to);
  // What happened to a package first says whether it was there before, what happened last whether it is after.
  const { rows } = await database.query<ChangedPackage>(
    `with changed as (
       select c.package_id, (array_agg(c.change order by g.number))[1] as first,
              (array_agg(c.change order by g.number desc))[1] as last
         from repository.generation_changes c join repository.generations g on g.id = c.generation_id
        where g.queue = $1 and g.product = $2 and g.status <> 'preparing'
          and g.number > least($3::int, $4::int) and g.number <= greatest($3::int, $4::int)
        group by c.package_id)
     select p.id, p.kind, p.name, p.version, p.architecture, p.source,
            case when (c.last = '+') = ($3::int < $4::int) then '+' else '-' end as change
       from changed c join repository.packages p on p.id = c.package_id
      where c.first = c.last
      order by p.source, p.name, p.kind, p.architecture, p.id limit $5`,
    [at.queue, at.product, from, to, limit],
  );
  return rows;
}

async function requireKnown(database: Queryable, at: At, from: number, to: number): Promise<void> {
  const { rows } = await database.query<{ number: number; changesKnown: boolean }>(
    `select number, changes_known as "changesKnown" from repository.generations
      where queue = $1 and product = $2 and status <> 'preparing'
        and (number in ($3::int, $4::int)
             or (not changes_known and number > least($3::int, $4::int) and number <= greatest($3::int, $4::int)))`,
    [at.queue, at.product, from, to],
  );
  for (const number of [from, to]) {
    if (rows.some((row) => row.number === number)) continue;
    throw new AppError(
      'generation-unknown',
      `${at.queue} has no generation ${String(number)} of ${at.product}`,
    );
  }
  const unknown = rows.find((row) => !row.changesKnown && row.number > Math.min(from, to));
  if (unknown) {
    throw new AppError(
      'changes-unknown',
      `What generation ${String(unknown.number)} changed was not kept, so nothing before it can be told`,
    );
  }
}

/** What a client sees of one package between two generations. */
export interface PackageDifference {
  change: 'added' | 'removed' | 'upgraded' | 'downgraded';
  kind: ChangedPackage['kind'];
  name: string;
  architecture: string;
  source: string;
  /** Null when it was not there. */
  from: string | null;
  /** Null when it is not there any more. */
  to: string | null;
}

/** Pairs what left with what came in its place, by the newest versions of each. Pure. */
export function packageDifferences(changed: readonly ChangedPackage[]): PackageDifference[] {
  const pairs = new Map<string, { from: ChangedPackage | null; to: ChangedPackage | null }>();
  for (const each of changed) {
    const key = [each.kind, each.name, each.architecture].join(' ');
    const pair = pairs.get(key) ?? { from: null, to: null };
    pairs.set(key, pair);
    const side = each.change === '+' ? 'to' : 'from';
    const other = pair[side];
    if (!other || compareVersions(each.version, other.version) > 0) pair[side] = each;
  }
  return [...pairs.values()].map(({ from, to }) => difference(from, to));
}

function difference(from: ChangedPackage | null, to: ChangedPackage | null): PackageDifference {
  const shown = to ?? from;
  if (!shown) throw new Error('a difference of nothing');
  const { kind, name, architecture, source } = shown;
  const versions = { from: from?.version ?? null, to: to?.version ?? null };
  return { change: changeOf(versions), kind, name, architecture, source, ...versions };
}

function changeOf({ from, to }: { from: string | null; to: string | null }): PackageDifference['change'] {
  if (from === null) return 'added';
  if (to === null) return 'removed';
  return compareVersions(to, from) < 0 ? 'downgraded' : 'upgraded';
}
