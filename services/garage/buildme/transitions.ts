/**
 * The status words of uploads and builds and every change that is allowed; the only place that knows.
 *
 * An upload is taken over (`verifying`), and decided once. A build waits in `needs-build` (or
 * `dep-wait`, until what is missing is published), is leased to a slot (`building`), and ends as the
 * package's fault (`attempted`), ours (`given-back`, which returns to `needs-build` by itself while
 * tries are left) or well: `built` (results fetched and checked), `uploaded` (handed to the repository),
 * `installed` (published). One whose binaries are uploaded instead (binaryUploads: accept) is `built` at once.
 */
import type { Queryable } from '../../../shared/database/pool.ts';

export type UploadStatus = 'arriving' | 'verifying' | 'accepted' | 'rejected';
export type BuildStatus =
  | 'needs-build'
  | 'building'
  | 'built'
  | 'uploaded'
  | 'installed'
  | 'dep-wait'
  | 'attempted'
  | 'given-back'
  | 'not-for-us'
  | 'cancelled'
  | 'superseded';

export const BUILD_TRANSITIONS: Record<BuildStatus, readonly BuildStatus[]> = {
  'needs-build': ['building', 'built', 'cancelled', 'superseded', 'not-for-us'],
  building: ['built', 'attempted', 'dep-wait', 'given-back', 'cancelled', 'superseded'],
  built: ['uploaded', 'attempted', 'cancelled'],
  uploaded: ['installed', 'attempted'],
  installed: [],
  'dep-wait': ['needs-build', 'built', 'cancelled', 'superseded'],
  attempted: ['needs-build', 'built', 'superseded'],
  'given-back': ['needs-build', 'built', 'cancelled', 'superseded'],
  'not-for-us': [],
  cancelled: ['needs-build', 'built'],
  superseded: [],
};

export interface BuildChange {
  failClass?: string | null;
  failReason?: string | null;
}

/**
 * Compare-and-set of one build's status; false when it no longer was `from` (somebody else moved it).
 * Throws for a change that {@link BUILD_TRANSITIONS} does not allow: that is a bug, never an input.
 */
export async function moveBuild(
  database: Queryable,
  buildId: string,
  from: BuildStatus,
  to: BuildStatus,
  change: BuildChange = {},
): Promise<boolean> {
  if (!BUILD_TRANSITIONS[from].includes(to)) throw new Error(`build status ${from} -> ${to} is not allowed`);
  const { rowCount } = await database.query(
    `update builds
        set status = $3, fail_class = $4, fail_reason = $5, updated_at = now()
      where id = $1 and status = $2`,
    [buildId, from, to, change.failClass ?? null, change.failReason ?? null],
  );
  return rowCount === 1;
}
