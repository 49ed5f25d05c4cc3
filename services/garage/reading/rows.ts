/** Readings in the database. */
import type { Queryable } from '../../../shared/database/pool.ts';
import type { BuiltPackage, PackageFile } from './deb-contents.ts';
import type { Reading, ReadableAttempt } from './read-attempt.ts';
import type { AttemptFacts, Comparison } from './types.ts';

/** Good builds of a source and architecture whose packages are kept for comparing: the last, and one before. */
const KEPT_GOOD = 2;

export interface GoodAttempt {
  attemptId: string;
  buildId: string;
  version: string;
  directory: string;
  finishedAt: Date;
  facts: AttemptFacts;
}

type Line = Pick<ReadableAttempt, 'id' | 'product' | 'source' | 'architecture'>;

/** The last good attempt before this one that was read; null for the first. */
export async function lastGood(database: Queryable, attempt: Line): Promise<GoodAttempt | null> {
  const { rows } = await database.query<GoodAttempt>(
    `select a.id as "attemptId", b.id as "buildId", s.version, a.directory, a.finished_at as "finishedAt", r.facts
       from sources s
       join builds b on b.source_id = s.id
       join attempts a on a.build_id = b.id
       join readings r on r.attempt_id = a.id
      where s.product = $1 and s.name = $2 and b.architecture = $3 and a.exit_class = 'success' and a.id <> $4
        and a.finished_at < coalesce((select finished_at from attempts where id = $4), now())
      order by a.finished_at desc limit 1`,
    [attempt.product, attempt.source, attempt.architecture, attempt.id],
  );
  return rows[0] ?? null;
}

interface PackageRow extends Omit<BuiltPackage, 'size' | 'files'> {
  size: string;
  files: [string, string, string, number, string | null][] | null;
}

/** What an attempt built, as far as it is kept. */
export async function packagesOf(database: Queryable, attemptId: string): Promise<BuiltPackage[]> {
  const { rows } = await database.query<PackageRow>(
    `select name, architecture, version, size, control, files from built_packages
      where attempt_id = $1 order by name, architecture`,
    [attemptId],
  );
  return rows.map((row) => ({
    ...row,
    size: Number(row.size),
    files:
      row.files?.map(([path, mode, owner, size, link]): PackageFile => ({
        ...{ path, mode, owner, size, link },
      })) ?? null,
  }));
}

/** Stores a reading; the same attempt read again changes nothing. Part of the caller's transaction. */
export async function storeReading(database: Queryable, reading: Reading): Promise<void> {
  const { rowCount } = await database.query(
    `insert into readings (attempt_id, build_id, error_kind, facts, comparison) values ($1, $2, $3, $4, $5)
     on conflict (attempt_id) do nothing`,
    [
      reading.attemptId,
      reading.buildId,
      reading.facts.firstError?.kind ?? null,
      toJson(reading.facts),
      reading.comparison === null ? null : toJson(reading.comparison),
    ],
  );
  if (rowCount !== 1 || reading.packages === null) return;
  for (const each of reading.packages) await storePackage(database, reading.attemptId, each);
  await forgetOldPackages(database, reading.buildId);
}

async function storePackage(database: Queryable, attemptId: string, built: BuiltPackage): Promise<void> {
  const files = built.files?.map((file) => [file.path, file.mode, file.owner, file.size, file.link]) ?? null;
  await database.query(
    `insert into built_packages (attempt_id, name, architecture, version, size, control, files)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
    [
      ...[attemptId, built.name, built.architecture, built.version, built.size, toJson(built.control)],
      files === null ? null : toJson(files),
    ],
  );
}

async function forgetOldPackages(database: Queryable, buildId: string): Promise<void> {
  await database.query(
    `delete from built_packages where attempt_id in (
       select a.id
         from builds mine join sources m on m.id = mine.source_id
         join sources s on s.product = m.product and s.name = m.name
         join builds b on b.source_id = s.id and b.architecture = mine.architecture
         join attempts a on a.build_id = b.id and a.exit_class = 'success'
        where mine.id = $1
        order by a.finished_at desc nulls first offset $2)`,
    [buildId, KEPT_GOOD],
  );
}

/** PostgreSQL's jsonb takes no NUL, and half of a surrogate pair is no text. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'string' ? each.replaceAll('\u0000', '').toWellFormed() : each,
  );
}

export interface BuildReading {
  buildId: string;
  attemptId: string;
  /** Of the attempt, from 1. */
  attempt: number;
  facts: AttemptFacts;
  /** Null where there is no earlier good build. */
  comparison: Comparison | null;
}

const SELECT = `
  select r.build_id as "buildId", r.attempt_id as "attemptId", a.number as attempt, r.facts, r.comparison
    from readings r join attempts a on a.id = r.attempt_id`;

/** Of one attempt of a build, by default the newest that was read; null when none was. */
export async function readingOf(
  database: Queryable,
  buildId: string,
  attempt?: number,
): Promise<BuildReading | null> {
  const { rows } = await database.query<BuildReading>(
    `${SELECT} where r.build_id = $1 and ($2::int is null or a.number = $2) order by a.number desc limit 1`,
    [buildId, attempt ?? null],
  );
  return rows[0] ?? null;
}
