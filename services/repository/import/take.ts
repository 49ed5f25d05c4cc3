/**
 * Takes what was chosen into the pool and the tables, some thousands at a time: names claimed for ever, files
 * placed, packages recorded. Each step repeated gives the same.
 */
import path from 'node:path';
import type { AppError } from '../../../shared/errors/app-error.ts';
import { syncFileSystem } from '../../../shared/files/settle.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import type { Repository } from '../context.ts';
import { keepOverrides, type Override } from '../indexes/override-rows.ts';
import { lockedTransaction, type QueueLock } from '../locks.ts';
import { placesOf } from '../places.ts';
import { takenName } from '../pool/records.ts';
import type { PlaceMode } from './place-file.ts';
import { startPlacer } from './placer.ts';
import type { PlaceOutcome } from './placer-thread.ts';
import type { ReadFile } from './read-package.ts';
import type { ImportRun } from './state.ts';

/** Packages at a time: one statement each for their names and their rows. */
const ITEMS_PER_STEP = 2_000;

export interface TakeOptions {
  root: string;
  mode: PlaceMode;
  /** Called with the number of items that are through. */
  onProgress(done: number): void;
}

interface Item {
  id: string;
  files: ReadFile[];
}

/** Items whose files are on their way into the pool. */
interface Placing {
  /** With those that were refused their names. */
  count: number;
  items: readonly Item[];
  outcomes: Promise<PlaceOutcome[]>;
}

/** Takes all chosen items; what cannot be taken gets a verdict. Throws for errors of ours only. */
export async function takeChosen(
  repository: Repository,
  lock: QueueLock,
  run: ImportRun,
  options: TakeOptions,
): Promise<void> {
  const { pool } = placesOf(repository.home, lock.queue, lock.product);
  const placer = startPlacer({ root: options.root, pool, mode: options.mode });
  let done = 0;
  const finish = async (placing: Placing): Promise<void> => {
    await recordPlaced(repository, lock, run, placing);
    done += placing.count;
    options.onProgress(done);
  };
  try {
    // While some are placed, those before them are recorded.
    let under: Placing | null = null;
    for await (const items of chosen(lock.client, run)) {
      const claimed = await claim(lock, run, items);
      await repository.step('import-claimed');
      if (under) await under.outcomes;
      const outcomes = placer.place(claimed.map((item) => item.files));
      outcomes.catch(() => undefined); // thrown where it is awaited
      if (under) await finish(under);
      under = { count: items.length, items: claimed, outcomes };
    }
    if (under) await finish(under);
  } finally {
    await placer.close();
  }
  // A sync for each of so many folders would take longer than all the rest.
  if (done > 0) await syncFileSystem(path.dirname(pool));
}

async function recordPlaced(
  repository: Repository,
  lock: QueueLock,
  run: ImportRun,
  { items, outcomes }: Placing,
): Promise<void> {
  const placed: Item[] = [];
  for (const [at, refused] of (await outcomes).entries()) {
    const item = items[at] as Item;
    if (refused === null) placed.push(item);
    else await refuse(lock.client, run, item.id, refused);
  }
  await repository.step('import-placed');
  const recorded = await record(lock, run, placed);
  await keepOverrides(repository.pool, lock, await overridesOf(lock.client, recorded));
  await repository.step('import-recorded');
}

async function* chosen(database: Queryable, run: ImportRun): AsyncGenerator<Item[]> {
  for (let after = '0'; ;) {
    const items = await chosenAfter(database, run, after);
    const last = items.at(-1);
    if (!last) return;
    after = last.id;
    yield items;
  }
}

async function chosenAfter(database: Queryable, run: ImportRun, after: string): Promise<Item[]> {
  const { rows } = await database.query<Item>(
    `select v.item_id as id, i.files from import_verdicts v join import_items i on i.id = v.item_id
      where v.import_id = $1 and v.code is null and v.item_id > $2 order by v.item_id limit $3`,
    [run.id, after, ITEMS_PER_STEP],
  );
  return rows;
}

async function refuse(
  database: Queryable,
  run: ImportRun,
  id: string,
  { code, reason }: { code: string; reason: string },
): Promise<void> {
  await database.query(
    'update import_verdicts set code = $3, reason = $4 where import_id = $1 and item_id = $2',
    [run.id, id, code, reason],
  );
  // What changed is read again by the next run.
  if (code === 'file-changed') await database.query(`update import_items set stamp = '' where id = $1`, [id]);
}

async function refuseTaken(database: Queryable, run: ImportRun, id: string, taken: AppError): Promise<void> {
  await refuse(database, run, id, { code: taken.code, reason: taken.message });
}

/** Claims the names of all files; returns the items that got theirs. */
async function claim(lock: QueueLock, run: ImportRun, items: readonly Item[]): Promise<Item[]> {
  const files = items.flatMap((item) => item.files);
  const claimed = await lockedTransaction(lock, async (client) => {
    await client.query(
      `insert into pool_files (product, path, size, sha256)
       select $1, path, size, sha256 from json_to_recordset($2::json) as r(path text, size bigint, sha256 text)
       on conflict do nothing`,
      [
        lock.product,
        JSON.stringify(files.map(({ path: name, size, sha256 }) => ({ path: name, size, sha256 }))),
      ],
    );
    const { rows } = await client.query<{ path: string; sha256: string }>(
      'select path, sha256 from pool_files where product = $1 and path = any($2::text[])',
      [lock.product, files.map((file) => file.path)],
    );
    return new Map(rows.map((row) => [row.path, row.sha256]));
  });
  const mine: Item[] = [];
  for (const item of items) {
    const taken = item.files.find((file) => claimed.get(file.path) !== file.sha256);
    if (taken) await refuseTaken(lock.client, run, item.id, takenName(taken.path, lock.product));
    else mine.push(item);
  }
  return mine;
}

/** Records the packages, or finds the rows that are there; returns the ids of the items that have theirs. */
async function record(lock: QueueLock, run: ImportRun, items: readonly Item[]): Promise<string[]> {
  const ids = items.map((item) => item.id);
  const rows = await lockedTransaction(lock, async (client) => {
    await client.query(
      `insert into packages (product, component, kind, name, version, architecture, source, source_version, stanza, files)
       select $1, component, kind, name, version, architecture, source, source_version, stanza, ${PATHS}
         from import_items i
        where id = any($2::bigint[])
          and not exists (select 1 from packages p where p.product = $1 and p.kind = i.kind and p.name = i.name
                             and p.version = i.version and p.architecture = i.architecture)
       on conflict do nothing`,
      [lock.product, ids],
    );
    const found = await client.query<{ id: string; package_id: string; own: boolean; path: string }>(
      `select i.id, p.id as package_id, p.files = ${PATHS} as own, p.files[1] as path
         from import_items i join packages p on p.product = $1 and p.kind = i.kind and p.name = i.name
              and p.version = i.version and p.architecture = i.architecture
        where i.id = any($2::bigint[])`,
      [lock.product, ids],
    );
    const own = JSON.stringify(found.rows.filter((row) => row.own));
    await client.query(
      `insert into file_lists (package_id, count, paths)
       select r.package_id, i.list_count, i.list
         from json_to_recordset($1::json) as r(id bigint, package_id bigint) join import_items i on i.id = r.id
        where i.list is not null
       on conflict do nothing`,
      [own],
    );
    await client.query(
      `update import_verdicts v set package_id = r.package_id
         from json_to_recordset($2::json) as r(id bigint, package_id bigint)
        where v.import_id = $1 and v.item_id = r.id`,
      [run.id, own],
    );
    return found.rows;
  });
  for (const { id, own, path: name } of rows) {
    if (!own) await refuseTaken(lock.client, run, id, takenName(name, lock.product));
  }
  return rows.flatMap(({ id, own }) => (own ? [id] : []));
}

/** Of the items of these ids. */
async function overridesOf(
  database: Queryable,
  ids: readonly string[],
): Promise<Parameters<typeof keepOverrides>[2]> {
  const { rows } = await database.query<Pick<Override, 'kind' | 'name' | 'section' | 'priority'>>(
    `select distinct on (kind, name) kind, name, override_section as section, override_priority as priority
       from import_items
      where id = any($1::bigint[]) and (override_section is not null or override_priority is not null)
      order by kind, name, id`,
    [ids],
  );
  return rows;
}

const PATHS = `array(select file ->> 'path' from json_array_elements(i.files) with ordinality as f(file, n) order by n)`;

/** Ids of packages that were taken and that the queue has not got yet. */
export async function packagesToAdd(lock: QueueLock, run: ImportRun): Promise<string[]> {
  const { rows } = await lock.client.query<{ id: string }>(
    `select distinct v.package_id as id from import_verdicts v
      where v.import_id = $1 and v.code is null and v.package_id is not null
        and not exists (select 1 from members m
                         where m.queue = $2 and m.product = $3 and m.package_id = v.package_id)`,
    [run.id, lock.queue, lock.product],
  );
  return rows.map((row) => row.id);
}
