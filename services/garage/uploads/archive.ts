/** What was accepted before of a source: the archive as uploads are held against it. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';

export interface AcceptedSource {
  id: string;
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
    'select id, version, directory, files from sources where product = $1 and name = $2',
    [product, source],
  );
  return rows.toSorted((a, b) => compareVersions(b.version, a.version));
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
