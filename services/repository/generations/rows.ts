/** The rows of a generation: `preparing -> staged -> live`, and what a queue holds. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { firstRow } from '../../../shared/database/pool.ts';
import type { IndexedChange, IndexedPackage } from '../indexes/kinds/scope.ts';
import type { Wanted } from '../indexes/plan.ts';

export type GenerationStatus = 'preparing' | 'staged' | 'live';

export interface Generation {
  id: string;
  queue: string;
  product: string;
  number: number;
  status: GenerationStatus;
  cause: string;
  who: string | null;
  added: number;
  removed: number;
  /** {@link import('../indexes/release.ts').ReleaseShape} as JSON; '' before it was kept. */
  shape: string;
  createdAt: Date;
  /** Date of its Release; null when it was made before that was kept. */
  datedAt: Date | null;
}

const COLUMNS = `id, queue, product, number, status, cause, who, added, removed, shape,
  created_at as "createdAt", dated_at as "datedAt"`;

interface At {
  queue: string;
  product: string;
}

/** What is not `preparing` any more, newest first. */
export async function newestGeneration(database: Queryable, at: At): Promise<Generation | null> {
  const { rows } = await database.query<Generation>(
    `select ${COLUMNS} from generations
      where queue = $1 and product = $2 and status <> 'preparing' order by number desc limit 1`,
    [at.queue, at.product],
  );
  return rows[0] ?? null;
}

/** Numbers that a writer began and did not finish. */
export async function preparingNumbers(database: Queryable, at: At): Promise<number[]> {
  const { rows } = await database.query<{ number: number }>(
    `select number from generations where queue = $1 and product = $2 and status = 'preparing'`,
    [at.queue, at.product],
  );
  return rows.map((row) => row.number);
}

export async function forgetPreparing(database: Queryable, at: At, number: number): Promise<void> {
  await database.query(
    `delete from generations where queue = $1 and product = $2 and number = $3 and status = 'preparing'`,
    [at.queue, at.product, number],
  );
}

/** The intent: the next number, before anything is written. */
export async function insertPreparing(
  database: Queryable,
  wanted: At & Pick<Generation, 'cause' | 'who' | 'added' | 'removed' | 'shape' | 'datedAt'>,
): Promise<Generation> {
  const { rows } = await database.query<Generation>(
    `insert into generations (queue, product, number, status, cause, who, added, removed, shape, dated_at)
     select $1, $2, coalesce(max(number), 0) + 1, 'preparing', $3, $4, $5::int, $6::int, $7, $8::timestamptz
       from generations where queue = $1 and product = $2
     returning ${COLUMNS}`,
    [
      ...[wanted.queue, wanted.product, wanted.cause, wanted.who, wanted.added, wanted.removed],
      ...[wanted.shape, wanted.datedAt],
    ],
  );
  return firstRow(rows, 'generation-not-made', 'The generation could not be recorded');
}

/** Compare-and-set; false when it no longer was `from`. */
export async function moveGeneration(
  database: Queryable,
  id: string,
  from: 'preparing',
  to: 'staged',
): Promise<boolean> {
  const { rowCount } = await database.query(
    'update generations set status = $3, staged_at = now() where id = $1 and status = $2',
    [id, from, to],
  );
  return rowCount === 1;
}

/** Everything staged up to `number` is in live: a later generation holds what an earlier one brought. */
export async function markLive(database: Queryable, at: At, number: number): Promise<number> {
  const { rowCount } = await database.query(
    `update generations set status = 'live', live_at = now()
      where queue = $1 and product = $2 and number <= $3 and status = 'staged'`,
    [at.queue, at.product, number],
  );
  return rowCount ?? 0;
}

/** Far more than any one source has; an import of that many makes all indexes anew. */
const MAX_NAMED = 20_000;

/** What decides where these packages are indexed; null for so many that nothing would be taken over anyway. */
export async function namesOf(database: Queryable, ids: readonly string[]): Promise<IndexedChange[] | null> {
  if (ids.length > MAX_NAMED) return null;
  const { rows } = await database.query<IndexedChange>(
    'select id, component, kind, name, architecture from packages where id = any($1::bigint[])',
    [ids],
  );
  return rows;
}

type MemberChange = At & { add: readonly string[]; remove: readonly string[] };

/** True for a package that the queue will hold: a member that is not removed, or one that is added. */
const IS_HELD_AFTER = `((not p.id = any($4::bigint[])
    and exists (select 1 from members m where m.queue = $1 and m.product = $2 and m.package_id = p.id))
  or p.id = any($3::bigint[]))`;

/** All that the queue will hold, as far as that decides where it is indexed. */
export async function listingAfter(database: Queryable, change: MemberChange): Promise<IndexedChange[]> {
  const { rows } = await database.query<IndexedChange>(
    `select p.id, p.component, p.kind, p.name, p.architecture from packages p
      where p.product = $2 and ${IS_HELD_AFTER}`,
    [change.queue, change.product, change.add, change.remove],
  );
  return rows;
}

const INDEXED = 'p.id, p.component, p.kind, p.name, p.version, p.architecture, p.stanza';

/** What the queue will hold of these names, or these packages of a listing of what it will hold. */
export async function packagesAfter(
  database: Queryable,
  change: MemberChange,
  wanted: Wanted,
): Promise<IndexedPackage[]> {
  if ('ids' in wanted) {
    const select = `select ${INDEXED} from packages p where p.id = any($1::bigint[])`;
    return (await database.query<IndexedPackage>(select, [wanted.ids])).rows;
  }
  const { rows } = await database.query<IndexedPackage>(
    `select ${INDEXED} from packages p
      where p.product = $2 and p.name = any($5::text[]) and ${IS_HELD_AFTER}`,
    [change.queue, change.product, change.add, change.remove, wanted.names],
  );
  return rows;
}

/** Changes from which on statistics are too old to wait for the server, which looks once a minute. */
const MANY_CHANGES = 1_000;

/** After a large change: plans for what the tables held before would read all of it for every question. */
export async function refreshStatistics(
  database: Queryable,
  { add, remove }: Pick<MemberChange, 'add' | 'remove'>,
): Promise<void> {
  if (add.length + remove.length < MANY_CHANGES) return;
  await database.query('analyze members, packages, pool_files, generation_changes');
}

/** Makes the change to what the queue holds, and keeps what really changed as the generation's own. */
export async function changeMembers(
  database: Queryable,
  change: At & { add: readonly string[]; remove: readonly string[]; generationId: string },
): Promise<void> {
  await database.query(
    `with gone as (
       delete from members where queue = $1 and product = $2 and package_id = any($3::bigint[])
       returning package_id)
     insert into generation_changes (generation_id, package_id, change) select $4, package_id, '-' from gone`,
    [change.queue, change.product, change.remove, change.generationId],
  );
  await database.query(
    `with come as (
       insert into members (queue, product, package_id, generation_id)
       select $1, $2, added, $4 from unnest($3::bigint[]) as added
       on conflict do nothing returning package_id)
     insert into generation_changes (generation_id, package_id, change) select $4, package_id, '+' from come`,
    [change.queue, change.product, change.add, change.generationId],
  );
}
