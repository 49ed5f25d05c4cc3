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
  throw generationUnknown(at, text);
}

function generationUnknown({ queue, product }: { queue: string; product: string }, which: string): AppError {
  return new AppError('generation-unknown', `${queue} has no generation ${which} of ${product}`, {
    hint: `autobuilder generation list ${queue} --product ${product} shows them.`,
  });
}

function readSnapshotName(text: string): Date | null {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!parts) return null;
  const [, year, month, day, hour, minute, second] = parts;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}

/**
 * The generation before the last one that changed something other than source `except` (the archive's keys, which
 * are not rolled back); null when there is none.
 */
export async function generationBefore(database: Queryable, at: At, except: string): Promise<number | null> {
  const { rows } = await database.query<{ number: number }>(
    `select g.number - 1 as number from repository.generations g
      where g.queue = $1 and g.product = $2 and g.status <> 'preparing' and g.number > 1
        and (not g.changes_known
             or exists (select 1 from repository.generation_changes c
                          join repository.packages p on p.id = c.package_id
                         where c.generation_id = g.id and p.source <> $3))
      order by g.number desc limit 1`,
    [at.queue, at.product, except],
  );
  return rows[0]?.number ?? null;
}

/** A package whose name and architecture differ between two generations. */
export interface ComparedPackage {
  id: string;
  kind: 'source' | 'deb' | 'udeb';
  name: string;
  version: string;
  architecture: string;
  source: string;
  /** Whether it is there in the one, and in the other. */
  before: boolean;
  after: boolean;
}

/**
 * What makes generation `to` of generation `from`, either the older one: all versions of each name and architecture
 * that differs, at most `limit`, by source and name. Throws `generation-unknown`, and `changes-unknown` where
 * the history does not reach.
 */
export async function comparedPackages(
  database: Queryable,
  at: At,
  { from, to, limit }: { from: number; to: number; limit: number },
): Promise<ComparedPackage[]> {
  await requireKnown(database, at, from, to);
  const { rows } = await database.query<ComparedPackage>(
    `with touched as (
       select distinct p.kind, p.name, p.architecture
         from repository.generation_changes c
         join repository.generations g on g.id = c.generation_id
         join repository.packages p on p.id = c.package_id
        where g.queue = $1 and g.product = $2 and g.status <> 'preparing'
          and g.number > least($3::int, $4::int) and g.number <= greatest($3::int, $4::int)),
     candidates as (
       select p.id, p.kind, p.name, p.version, p.architecture, p.source
         from touched t join repository.packages p using (kind, name, architecture)
        where p.product = $2),
     -- What first happened to a package after a generation says whether it was there in it.
     events as (
       select c.package_id,
              (array_agg(c.change order by g.number) filter (where g.number > $3::int))[1] = '-' as before,
              (array_agg(c.change order by g.number) filter (where g.number > $4::int))[1] = '-' as after
         from candidates p
         join repository.generation_changes c on c.package_id = p.id
         join repository.generations g on g.id = c.generation_id
        where g.queue = $1 and g.product = $2 and g.status <> 'preparing' and g.number > least($3::int, $4::int)
        group by c.package_id),
     compared as (
       select p.*, coalesce(e.before, m.package_id is not null) as before,
              coalesce(e.after, m.package_id is not null) as after
         from candidates p
         left join events e on e.package_id = p.id
         left join repository.members m on m.queue = $1 and m.product = $2 and m.package_id = p.id)
     select * from compared where before or after
      order by source, name, kind, architecture, id limit $5`,
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
    throw generationUnknown(at, String(number));
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
  kind: ComparedPackage['kind'];
  name: string;
  architecture: string;
  source: string;
  /** The newest version; null when it was not there. */
  from: string | null;
  /** The newest version; null when it is not there any more. */
  to: string | null;
}

/** By the newest version of each name and architecture; other versions that come or go beside it too. Pure. */
export function packageDifferences(compared: readonly ComparedPackage[]): PackageDifference[] {
  const groups = Map.groupBy(compared, (each) => [each.kind, each.name, each.architecture].join(' '));
  return [...groups.values()].flatMap((group) => {
    const from = newest(group.filter((each) => each.before));
    const to = newest(group.filter((each) => each.after));
    if (from?.id !== to?.id) return [difference(from, to)];
    return group
      .filter((each) => each.before !== each.after)
      .map((each) => difference(each.before ? each : null, each.after ? each : null));
  });
}

function newest(packages: readonly ComparedPackage[]): ComparedPackage | null {
  return packages.toSorted((a, b) => compareVersions(a.version, b.version)).at(-1) ?? null;
}

function difference(from: ComparedPackage | null, to: ComparedPackage | null): PackageDifference {
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
