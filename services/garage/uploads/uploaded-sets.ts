/** Rows of `uploaded_sets`: binaries that are published as they came, and the builds whose place they take. */
import { createHash } from 'node:crypto';
import { architecturesToBuild } from '../../../shared/debian/architecture.ts';
import type { Product } from '../../../shared/config/common.ts';
import { firstRow, type Client, type Queryable } from '../../../shared/database/pool.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { moveBuild, type BuildStatus } from '../buildme/transitions.ts';
import type { UploadedBinaries } from './binaries.ts';

/** Builds that have not begun, or ended without a result: uploaded binaries may take their place. */
const WAITING: BuildStatus[] = ['needs-build', 'dep-wait', 'given-back', 'attempted', 'cancelled'];

/** A set's id: a UUID of version 8 (RFC 9562) made of upload and architecture, the same at each try. */
export function uploadedSetId(uploadId: string, architecture: string): string {
  const hex = createHash('sha256').update(`${uploadId}/${architecture}`).digest('hex');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...parts, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}

/** What was uploaded before of a source's binaries and was not refused by the repository. */
export async function earlierSets(database: Queryable, sourceId: string): Promise<{ files: FileEntry[] }[]> {
  const { rows } = await database.query<{ files: FileEntry[] }>(
    "select files from uploaded_sets where source_id = $1 and status <> 'quarantined'",
    [sourceId],
  );
  return rows;
}

export interface PlaceOfBuild {
  id: string;
  architecture: string;
  binaries: 'any' | 'all' | 'both';
  status: BuildStatus;
  /** True when uploaded binaries may take its place. */
  isWaiting: boolean;
}

/** The builds of a source that make what these sets hold. */
export async function waitingBuilds(
  database: Queryable,
  sourceId: string,
  sets: readonly UploadedBinaries[],
): Promise<PlaceOfBuild[]> {
  const { rows } = await database.query<PlaceOfBuild>(
    // One that was built, but refused by the repository, keeps its result: the two would be taken for one.
    `select b.id, b.architecture, b.binaries, b.status,
            b.status = any($2) and not exists (
              select 1 from attempts a where a.build_id = b.id and a.exit_class = 'success') as "isWaiting"
       from builds b where b.source_id = $1 order by b.architecture`,
    [sourceId, WAITING],
  );
  return rows.filter((build) => sets.some((set) => overlaps(build, set)));
}

function overlaps(build: PlaceOfBuild, set: UploadedBinaries): boolean {
  if (set.architecture === build.architecture) return build.binaries !== 'all' || set.binaries !== 'any';
  return set.architecture === 'all' && build.binaries !== 'any';
}

/** What is left to build where `have` was uploaded; null for nothing. */
function remainder(
  wanted: 'any' | 'all' | 'both',
  have: { any: boolean; all: boolean },
): 'any' | 'all' | 'both' | null {
  const any = wanted !== 'all' && !have.any;
  const all = wanted !== 'any' && !have.all;
  if (any && all) return 'both';
  if (any) return 'any';
  return all ? 'all' : null;
}

function uploadedFor(
  sets: readonly UploadedBinaries[],
  architecture: string,
): { any: boolean; all: boolean } {
  return {
    any: sets.some((set) => set.architecture === architecture && set.binaries !== 'all'),
    all: sets.some((set) => set.binaries !== 'any'),
  };
}

/**
 * Writes the builds of a new source that its uploaded binaries change, before the others are planned: one that
 * nothing is left of is `built`, one that a part is left of builds that part.
 */
export async function planAroundBinaries(
  client: Client,
  product: Product,
  source: { id: string; architectures: string[] },
  sets: readonly UploadedBinaries[],
): Promise<void> {
  if (sets.length === 0) return;
  const wanted = architecturesToBuild(source.architectures, product.architectures, product.architectures[0]);
  for (const { architecture, binaries } of wanted) {
    const left = remainder(binaries, uploadedFor(sets, architecture));
    if (left === binaries) continue;
    await client.query(
      'insert into builds (source_id, architecture, binaries, status) values ($1, $2, $3, $4)',
      [source.id, architecture, left ?? binaries, left === null ? 'built' : 'needs-build'],
    );
  }
}

/**
 * The same for a source that was accepted before. Throws when a build began meanwhile: the upload is looked at
 * again then, and refused in the words of verification.
 */
export async function replaceWaitingBuilds(
  client: Client,
  sourceId: string,
  sets: readonly UploadedBinaries[],
): Promise<void> {
  for (const build of await waitingBuilds(client, sourceId, sets)) {
    if (!build.isWaiting) continue;
    const left = remainder(build.binaries, uploadedFor(sets, build.architecture));
    if (left === null) {
      const moved = await moveBuild(client, build.id, build.status, 'built');
      if (!moved) throw new Error(`build ${build.id} began while its binaries were taken`);
    } else {
      const { rowCount } = await client.query(
        'update builds set binaries = $3, updated_at = now() where id = $1 and status = $2',
        [build.id, build.status, left],
      );
      if (rowCount !== 1) throw new Error(`build ${build.id} began while its binaries were taken`);
    }
  }
}

/** Records the sets, each with the build that is `built` by it and has no attempt of its own. */
export async function insertUploadedSets(
  client: Client,
  uploadId: string,
  sourceId: string,
  sets: readonly UploadedBinaries[],
): Promise<void> {
  for (const { architecture, binaries, files } of sets) {
    const { rows } = await client.query<{ id: string }>(
      `insert into uploaded_sets (id, upload_id, source_id, architecture, files, build_id)
       values ($1, $2, $3, $4, $5, (
         select b.id from builds b
          where b.source_id = $3 and b.status = 'built'
            and (b.architecture = $4 or ($6 = 'all' and b.binaries = 'all'))
            and not exists (select 1 from attempts a where a.build_id = b.id and a.exit_class = 'success')))
       returning id`,
      [
        uploadedSetId(uploadId, architecture),
        uploadId,
        sourceId,
        architecture,
        JSON.stringify(files),
        binaries,
      ],
    );
    firstRow(rows, 'set-not-recorded', `Binaries of upload ${uploadId} could not be recorded`);
  }
}
