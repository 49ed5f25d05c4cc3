/** Decides over all items of an import, some sources at a time, and keeps the verdicts. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { decide, type Contender, type DecisionScope, type Verdict } from './decide.ts';
import type { ImportRun } from './state.ts';

/** Sources at a time: some thousands of rows. */
const SOURCES_PER_STEP = 1_000;

/** Makes the verdicts anew; returns the ids of held packages that leave. */
export async function chooseItems(
  database: Queryable,
  run: ImportRun,
  scope: DecisionScope,
): Promise<string[]> {
  const leave: string[] = [];
  await database.query('delete from import_verdicts where import_id = $1', [run.id]);
  await database.query('analyze import_items');
  for (let after = ''; ;) {
    const { rows } = await database.query<{ source: string }>(
      `select distinct source from import_items
        where import_id = $1 and code is null and source > $2 order by source limit $3`,
      [run.id, after, SOURCES_PER_STEP],
    );
    const last = rows.at(-1);
    if (!last) break;
    after = last.source;
    const contenders = await contendersOf(
      database,
      run,
      scope,
      rows.map((row) => row.source),
    );
    const decision = decide(scope, contenders);
    leave.push(...decision.leave);
    await storeVerdicts(database, run, decision.verdicts);
  }
  await settleOwners(database, run, scope, leave);
  return leave;
}

const COLUMNS = `component, kind, name, version, architecture, source, source_version as "sourceVersion"`;

async function contendersOf(
  database: Queryable,
  run: ImportRun,
  { queue, product }: DecisionScope,
  sources: readonly string[],
): Promise<Contender[]> {
  const { rows } = await database.query<Contender>(
    `select id, false as "isHeld", ${COLUMNS} from import_items
      where import_id = $1 and code is null and source = any($2::text[])
     union all
     select p.id, true, ${COLUMNS} from members m join packages p on p.id = m.package_id
      where m.queue = $3 and m.product = $4 and p.source = any($2::text[])`,
    [run.id, sources, queue.name, product.name],
  );
  return rows;
}

async function storeVerdicts(
  database: Queryable,
  run: ImportRun,
  verdicts: readonly Verdict[],
): Promise<void> {
  if (verdicts.length === 0) return;
  await database.query(
    `insert into import_verdicts (import_id, item_id, code, reason)
     select $1, id, code, reason from json_to_recordset($2::json) as r(id bigint, code text, reason text)
     on conflict (import_id, item_id) do update set code = excluded.code, reason = excluded.reason`,
    [run.id, JSON.stringify(verdicts)],
  );
}

interface Claim {
  id: string;
  isHeld: boolean;
  name: string;
  version: string;
  source: string;
}

/**
 * A binary name belongs to one source in a queue: to the one whose packages it holds and keeps, else to the one with
 * the newest version.
 */
async function settleOwners(
  database: Queryable,
  run: ImportRun,
  { queue, product }: DecisionScope,
  leave: readonly string[],
): Promise<void> {
  const { rows } = await database.query<Claim>(
    `with claims as (
       select i.id, false as "isHeld", i.name, i.version, i.source
         from import_verdicts v join import_items i on i.id = v.item_id
        where v.import_id = $1 and v.code is null and i.kind <> 'source'
       union all
       select p.id, true, p.name, p.version, p.source from members m join packages p on p.id = m.package_id
        where m.queue = $2 and m.product = $3 and p.kind <> 'source' and not p.id = any($4::bigint[])),
     contested as (select name from claims group by name having count(distinct source) > 1)
     select claims.* from claims join contested using (name)`,
    [run.id, queue.name, product.name, leave],
  );
  const verdicts: Verdict[] = [];
  for (const claims of Map.groupBy(rows, (row) => row.name).values()) {
    const owner = claims.reduce((a, b) => (isStronger(a, b) ? a : b)).source;
    for (const { id, isHeld, name, source } of claims) {
      if (isHeld || source === owner) continue;
      const reason = `Binary package ${name} belongs to source ${owner} in ${queue.name}.`;
      verdicts.push({ id, code: 'binary-taken', reason });
    }
  }
  await storeVerdicts(database, run, verdicts);
}

function isStronger(a: Claim, b: Claim): boolean {
  if (a.isHeld !== b.isHeld) return a.isHeld;
  return (compareVersions(a.version, b.version) || (a.source < b.source ? 1 : -1)) > 0;
}
