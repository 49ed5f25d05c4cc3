/** What was accepted before of a source: the archive as uploads are held against it. */
import type { Pool, Queryable } from '../../../shared/database/pool.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import type { PublishedRow } from '../../../shared/protocol/tables.ts';
import { hasRepository } from '../dispatch/repository-tables.ts';

export interface AcceptedSource {
  id: string;
  component: string;
  dsc: string;
  version: string;
  /** Relative to AUTOBUILDER_HOME. */
  directory: string;
  files: FileEntry[];
}

/** Every accepted version of a source for a product, the highest first. */
export async function acceptedVersions(
  database: Queryable,
  product: string,
  source: string,
): Promise<AcceptedSource[]> {
  const { rows } = await database.query<AcceptedSource>(
    'select id, component, dsc, version, directory, files from sources where product = $1 and name = $2',
    [product, source],
  );
  return rows.toSorted((a, b) => compareVersions(b.version, a.version));
}

export interface QueueVersion {
  queue: string;
  version: string;
}

/** What each queue holds of a source for a product; none before the repository has made its tables. */
export async function queueVersions(
  database: Pool,
  product: string,
  source: string,
): Promise<QueueVersion[]> {
  if (!(await hasRepository(database))) return [];
  const { rows } = await database.query<Pick<PublishedRow, 'queue' | 'source_version'>>(
    'select queue, source_version from repository.published where product = $1 and source = $2 order by queue',
    [product, source],
  );
  return rows.map((row) => ({ queue: row.queue, version: row.source_version }));
}

/** Where files of that name and content lie, relative to AUTOBUILDER_HOME. */
export function directoriesWith(accepted: AcceptedSource[], file: FileEntry): string[] {
  return accepted
    .filter(({ files }) => files.some((known) => known.name === file.name && known.sha256 === file.sha256))
    .map(({ directory }) => directory);
}

/** True when the archive has this name with other content: a name keeps its content for ever. */
export function conflicts(accepted: AcceptedSource[], file: FileEntry): boolean {
  return accepted.some(({ files }) =>
    files.some((known) => known.name === file.name && known.sha256 !== file.sha256),
  );
}
