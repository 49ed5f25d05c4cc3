/** The rows of mirrors. Status: `new -> updating -> current | failed`, and from either back to `updating`. */
import { z } from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import { mirrorKey, mirrorSettings, type MirrorDefinition } from './definition.ts';

export type MirrorStatus = 'new' | 'updating' | 'current' | 'failed';

/** By suite: what was taken last, and what of it is held, which products are built from (shared/protocol/mirrors.ts). */
const seenReleases = z.record(
  z.string(),
  z.strictObject({
    date: z.iso.datetime(),
    sha256: z.string(),
    // Not noted by the first releases; the next update does.
    components: z.array(z.string()).optional(),
    architectures: z.array(z.string()).optional(),
  }),
);
export type SeenReleases = z.infer<typeof seenReleases>;

export interface MirrorRow extends MirrorDefinition {
  status: MirrorStatus;
  releases: SeenReleases;
  generation: number | null;
  files: number;
  bytes: number;
  unmet: string[];
  errorCode: string | null;
  error: string | null;
  failures: number;
  attemptedAt: Date | null;
  succeededAt: Date | null;
  changedAt: Date | null;
  nextAt: Date | null;
}

const COLUMNS = `name, url, suites, settings, keys, status, releases, generation, files, bytes::float8 as bytes,
  unmet, error_code as "errorCode", error, failures, attempted_at as "attemptedAt", succeeded_at as "succeededAt",
  changed_at as "changedAt", next_at as "nextAt"`;

function parseRow(row: MirrorRow): MirrorRow {
  return {
    ...row,
    settings: mirrorSettings.parse(row.settings),
    keys: z.array(mirrorKey).parse(row.keys),
    releases: seenReleases.parse(row.releases),
  };
}

/** All, by name. */
export async function listMirrors(database: Queryable): Promise<MirrorRow[]> {
  const { rows } = await database.query<MirrorRow>(`select ${COLUMNS} from mirrors order by name`);
  return rows.map(parseRow);
}

/** Those whose last update failed, for health. */
export async function failingMirrors(
  database: Queryable,
): Promise<{ name: string; code: string | null; failures: number }[]> {
  const { rows } = await database.query<{ name: string; code: string | null; failures: number }>(
    `select name, error_code as code, failures from mirrors where status = 'failed' order by name`,
  );
  return rows;
}

/** Throws `mirror-unknown`. */
export async function requireMirror(database: Queryable, name: string): Promise<MirrorRow> {
  const { rows } = await database.query<MirrorRow>(`select ${COLUMNS} from mirrors where name = $1`, [name]);
  if (rows[0]) return parseRow(rows[0]);
  throw new AppError('mirror-unknown', `There is no mirror '${name}'`, {
    hint: 'See: autobuilder mirror list',
  });
}

/** Throws `mirror-exists`. */
export async function insertMirror(database: Queryable, mirror: MirrorDefinition): Promise<void> {
  const { rowCount } = await database.query(
    `insert into mirrors (name, url, suites, settings, keys) values ($1, $2, $3, $4, $5) on conflict do nothing`,
    [mirror.name, mirror.url, mirror.suites, JSON.stringify(mirror.settings), JSON.stringify(mirror.keys)],
  );
  if (rowCount === 1) return;
  throw new AppError('mirror-exists', `There is a mirror '${mirror.name}' already`, {
    hint: `Change it with: autobuilder mirror set ${mirror.name} ...`,
  });
}

/** Writes what is asked for anew; it is due at once. Another address is another archive: its dates begin anew. */
export async function changeMirror(database: Queryable, mirror: MirrorDefinition): Promise<void> {
  await database.query(
    `update mirrors set url = $2, suites = $3, settings = $4, keys = $5, next_at = null,
            releases = case when url = $2 then releases else '{}' end
      where name = $1`,
    [mirror.name, mirror.url, mirror.suites, JSON.stringify(mirror.settings), JSON.stringify(mirror.keys)],
  );
}

/** Forgets the mirror and what is known of its files. */
export async function deleteMirror(database: Queryable, name: string): Promise<void> {
  await database.query('delete from mirror_files where mirror = $1', [name]);
  await database.query('delete from mirrors where name = $1', [name]);
}

/** The intent: an update begins. The caller holds the mirror's lock. */
export async function markUpdating(database: Queryable, name: string): Promise<void> {
  await database.query(`update mirrors set status = 'updating', attempted_at = now() where name = $1`, [
    name,
  ]);
}

export interface MirrorOutcome {
  releases: SeenReleases;
  generation: number;
  files: number;
  bytes: number;
  unmet: string[];
  isChanged: boolean;
}

/** The end of an update that went well. */
export async function markCurrent(
  database: Queryable,
  name: string,
  outcome: MirrorOutcome,
  nextAt: Date | null,
): Promise<void> {
  await database.query(
    `update mirrors set status = 'current', releases = $2, generation = $3, files = $4, bytes = $5, unmet = $6,
            error_code = null, error = null, failures = 0, succeeded_at = now(), next_at = $8,
            changed_at = case when $7 then now() else changed_at end
      where name = $1 and status = 'updating'`,
    [
      ...[name, JSON.stringify(outcome.releases), outcome.generation, outcome.files, outcome.bytes],
      ...[outcome.unmet, outcome.isChanged, nextAt],
    ],
  );
}

/** The end of one that did not. */
export async function markFailed(
  database: Queryable,
  name: string,
  failure: { code: string; message: string },
  nextAt: Date | null,
): Promise<void> {
  await database.query(
    `update mirrors set status = 'failed', error_code = $2, error = $3, failures = failures + 1, next_at = $4
      where name = $1 and status = 'updating'`,
    [name, failure.code, failure.message, nextAt],
  );
}
