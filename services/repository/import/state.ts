/** Rows of an import: what was read of the repository, so that a run that was cut off goes on where it was. */
import { firstRow, type Queryable } from '../../../shared/database/pool.ts';
import type { Candidate, ImportSource, Refused } from './candidate.ts';
import type { ReadOutcome } from './reader-thread.ts';

export interface ImportRun {
  id: string;
  /** Number of this run, from 1. */
  pass: number;
}

/** Refused packages that a report names one by one; the rest is counted. */
export const MAX_REPORTED = 10_000;

/** What was read and not asked for again is forgotten after so many days: it is only read once more. */
const KEPT_DAYS = 30;

/** Finds or makes the import's row and begins a run of it. */
export async function beginRun(
  database: Queryable,
  source: ImportSource,
  at: { queue: string; product: string },
): Promise<ImportRun> {
  const { rows } = await database.query<ImportRun>(
    `insert into imports (kind, root, part, queue, product, pass) values ($1, $2, $3, $4, $5, 1)
     on conflict (kind, root, part, queue, product)
       do update set pass = imports.pass + 1, started_at = now(), finished_at = null
     returning id, pass`,
    [source.kind, source.root, source.part, at.queue, at.product],
  );
  const run = firstRow(rows, 'import-not-recorded', 'The import could not be recorded');
  await database.query(
    `delete from import_items where import_id in (
       select id from imports where id <> $1 and started_at < now() - make_interval(days => $2))`,
    [run.id, KEPT_DAYS],
  );
  return run;
}

/** What makes a file worth reading again although it is the same. */
function entryOf(candidate: Candidate): string {
  const { kind, component, section, priority, expected } = candidate;
  return JSON.stringify([kind, component, section, priority, expected]);
}

/** Stamps of the candidates that were read before and are listed as they were. */
export async function knownStamps(
  database: Queryable,
  run: ImportRun,
  candidates: readonly Candidate[],
): Promise<Map<string, string>> {
  const { rows } = await database.query<{ path: string; entry: string; stamp: string }>(
    'select path, entry, stamp from import_items where import_id = $1 and path = any($2::text[])',
    [run.id, candidates.map((each) => each.path)],
  );
  const known = new Map(rows.map((row) => [row.path, row]));
  const stamps = new Map<string, string>();
  for (const candidate of candidates) {
    const row = known.get(candidate.path);
    if (row && row.stamp !== '' && row.entry === entryOf(candidate)) stamps.set(candidate.path, row.stamp);
  }
  return stamps;
}

/** Keeps what became of a batch, in one statement each for the new and the unchanged. */
export async function storeOutcomes(
  database: Queryable,
  run: ImportRun,
  candidates: readonly Candidate[],
  outcomes: readonly ReadOutcome[],
): Promise<void> {
  const unchanged: string[] = [];
  const rows: Record<string, unknown>[] = [];
  for (const [at, candidate] of candidates.entries()) {
    const outcome = outcomes[at];
    if (outcome === undefined) continue;
    if (outcome.status === 'unchanged') unchanged.push(candidate.path);
    else rows.push({ path: candidate.path, entry: entryOf(candidate), ...rowOf(outcome) });
  }
  if (unchanged.length > 0) {
    await database.query(
      'update import_items set pass = $2 where import_id = $1 and path = any($3::text[])',
      [run.id, run.pass, unchanged],
    );
  }
  if (rows.length > 0) await upsert(database, run, rows);
}

function rowOf(outcome: Exclude<ReadOutcome, { status: 'unchanged' }>): Record<string, unknown> {
  if (outcome.status === 'refused') {
    return { stamp: outcome.stamp, code: outcome.code, reason: storable(outcome.reason) };
  }
  const { sourceVersion, list, override, ...facts } = outcome.package;
  const columns = {
    ...{ source_version: sourceVersion, list_count: list?.count ?? null, list: list?.packed ?? null },
    ...{ override_section: override.section, override_priority: override.priority },
  };
  return { stamp: outcome.stamp, ...facts, ...columns };
}

/** PostgreSQL takes no NUL and no half of a character in text. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '?').slice(0, 1_000);
}

async function upsert(
  database: Queryable,
  run: ImportRun,
  rows: readonly Record<string, unknown>[],
): Promise<void> {
  await database.query(
    `insert into import_items (import_id, pass, path, entry, stamp, code, reason, component, kind, name, version,
                               architecture, source, source_version, stanza, files, list_count, list,
                               override_section, override_priority)
     select $1, $2, path, entry, stamp, code, reason, component, kind, name, version, architecture, source,
            source_version, stanza, files, list_count, decode(list, 'base64'), override_section, override_priority
       from json_to_recordset($3::json) as r(path text, entry text, stamp text, code text, reason text, component text,
         kind text, name text, version text, architecture text, source text, source_version text, stanza text, files json,
         list_count integer, list text, override_section text, override_priority text)
     on conflict (import_id, path) do update set pass = excluded.pass, entry = excluded.entry, stamp = excluded.stamp,
       code = excluded.code, reason = excluded.reason, component = excluded.component, kind = excluded.kind,
       name = excluded.name, version = excluded.version, architecture = excluded.architecture,
       source = excluded.source, source_version = excluded.source_version, stanza = excluded.stanza,
       files = excluded.files, list_count = excluded.list_count, list = excluded.list,
       override_section = excluded.override_section, override_priority = excluded.override_priority`,
    [run.id, run.pass, JSON.stringify(rows)],
  );
}

/** Keeps what the repository's own lists got wrong: it never was a candidate. */
export async function storeRefused(
  database: Queryable,
  run: ImportRun,
  refused: readonly Refused[],
): Promise<void> {
  const rows = new Map(
    refused.map(({ path, code, reason }) => {
      const row = { path: storable(path), entry: '', stamp: '', code, reason: storable(reason) };
      return [row.path, row];
    }),
  );
  if (rows.size > 0) await upsert(database, run, [...rows.values()]);
}

/** Forgets what this run has not seen: it is no longer in the repository. */
export async function forgetUnseen(database: Queryable, run: ImportRun): Promise<void> {
  await database.query('delete from import_items where import_id = $1 and pass <> $2', [run.id, run.pass]);
  await database.query('delete from import_verdicts where import_id = $1', [run.id]);
}

export interface ImportCounts {
  /** Everything that was found. */
  found: number;
  refused: number;
  /** Passed over for newer versions. */
  older: number;
  /** What the queue gets or has already. */
  taken: number;
}

export async function countItems(database: Queryable, run: ImportRun): Promise<ImportCounts> {
  const { rows } = await database.query<ImportCounts>(
    `select count(*)::int as found,
            (count(*) filter (where coalesce(i.code, v.code) <> 'version-older'))::int as refused,
            (count(*) filter (where v.code = 'version-older'))::int as older,
            (count(*) filter (where i.code is null and v.item_id is not null and v.code is null))::int as taken
       from import_items i left join import_verdicts v on v.import_id = i.import_id and v.item_id = i.id
      where i.import_id = $1`,
    [run.id],
  );
  return firstRow(rows, 'import-not-recorded', 'The import could not be counted');
}

/** What was not taken, by path; at most {@link MAX_REPORTED}. */
export async function listRefused(database: Queryable, run: ImportRun): Promise<Refused[]> {
  const { rows } = await database.query<Refused>(
    `select i.path, coalesce(i.code, v.code) as code, coalesce(i.reason, v.reason, '') as reason
       from import_items i left join import_verdicts v on v.import_id = i.import_id and v.item_id = i.id
      where i.import_id = $1 and (i.code is not null or v.code is not null) order by i.path limit $2`,
    [run.id, MAX_REPORTED],
  );
  return rows;
}
