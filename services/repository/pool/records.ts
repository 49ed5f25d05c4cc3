/** The rows of the pool: every file name's content for ever, and packages as the indexes show them. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { firstRow, type Queryable } from '../../../shared/database/pool.ts';
import path from 'node:path';
import type { IndexedPackage } from '../indexes/kinds/scope.ts';
import { recordFileList } from './file-lists.ts';
import type { Placed } from './place.ts';

/** A package to be recorded; `files` are paths in the product's pool. */
export interface NewPackage extends Omit<IndexedPackage, 'id'> {
  source: string;
  sourceVersion: string;
  files: string[];
  /** What it holds, if that was read: see file-lists.ts. */
  fileList?: readonly string[];
}

/** A row of `packages` with what the version rules need. */
export interface KnownPackage extends NewPackage {
  id: string;
}

export const PACKAGE_COLUMNS = `p.id, p.component, p.kind, p.name, p.version, p.architecture, p.source,
  p.source_version as "sourceVersion", p.stanza, p.files`;

/** What a queue holds of a source. */
export async function membersOfSource(
  database: Queryable,
  at: { queue: string; product: string },
  source: string,
): Promise<KnownPackage[]> {
  const { rows } = await database.query<KnownPackage>(
    `select ${PACKAGE_COLUMNS} from members m join packages p on p.id = m.package_id
      where m.queue = $1 and m.product = $2 and p.source = $3 order by p.id`,
    [at.queue, at.product, source],
  );
  return rows;
}

/** The words people search for; `where` is the product, whose names are one space over all its queues. */
export function takenName(file: string, where: string): AppError {
  return new AppError(
    'file-exists',
    `File ${path.basename(file)} already exists in ${where}, but uploaded version has different contents.`,
    { hint: 'A published name keeps its content for ever: raise the version.' },
  );
}

/**
 * Claims the names: same name and content again is fine, another content is refused for ever with
 * `file-exists`. Nothing is on the disk yet.
 */
export async function claimFiles(
  database: Queryable,
  product: string,
  files: readonly Placed[],
): Promise<void> {
  for (const file of files) {
    await database.query(
      `insert into pool_files (product, path, size, sha256) values ($1, $2, $3, $4) on conflict do nothing`,
      [product, file.path, file.size, file.sha256],
    );
    const { rows } = await database.query<{ sha256: string }>(
      'select sha256 from pool_files where product = $1 and path = $2',
      [product, file.path],
    );
    if (rows[0]?.sha256 !== file.sha256) throw takenName(file.path, product);
  }
}

/** Sizes and sums of files in the pool, by path. */
export async function poolFiles(
  database: Queryable,
  product: string,
  paths: readonly string[],
): Promise<Placed[]> {
  const { rows } = await database.query<Placed>(
    `select path, size::float8 as size, sha256 from pool_files
      where product = $1 and path = any($2::text[]) order by path`,
    [product, paths],
  );
  return rows;
}

/**
 * Records a package, or finds the row that is there already; returns its id. The same name, version and
 * architecture in another place of the pool is another package under a taken name: `file-exists`.
 */
export async function recordPackage(
  database: Queryable,
  product: string,
  wanted: NewPackage,
): Promise<string> {
  await database.query(
    `insert into packages (product, component, kind, name, version, architecture, source, source_version, stanza, files)
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text[]
      where not exists (select 1 from packages where product = $1::text and kind = $3::text
                          and name = $4::text and version = $5::text and architecture = $6::text)
     on conflict do nothing`,
    [
      ...[product, wanted.component, wanted.kind, wanted.name, wanted.version, wanted.architecture],
      ...[wanted.source, wanted.sourceVersion, wanted.stanza, wanted.files],
    ],
  );
  const { rows } = await database.query<{ id: string; files: string[] }>(
    `select id, files from packages
      where product = $1 and kind = $2 and name = $3 and version = $4 and architecture = $5`,
    [product, wanted.kind, wanted.name, wanted.version, wanted.architecture],
  );
  const row = firstRow(rows, 'package-not-recorded', `Package ${wanted.name} could not be recorded`);
  if (row.files.join() !== wanted.files.join()) throw takenName(wanted.files[0] ?? wanted.name, product);
  if (wanted.fileList) await recordFileList(database, row.id, wanted.fileList);
  return row.id;
}
