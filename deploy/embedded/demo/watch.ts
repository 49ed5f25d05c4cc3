/** What the tables say of one upload, in words. Read-only. */
import type { Pool } from '../../../shared/database/pool.ts';

interface UploadState {
  id: string;
  status: string;
  reason: string | null;
  builds: {
    id: string;
    architecture: string;
    status: string;
    stage: string | null;
    fail_reason: string | null;
  }[];
  live: boolean;
}

/** The lines that are true now, and whether the source is live in `queue`. Throws when it was rejected or failed. */
export async function lookAtUpload(
  pool: Pool,
  changes: string,
  queue: string,
): Promise<{ lines: string[]; done: boolean }> {
  const upload = await readUpload(pool, changes, queue);
  if (!upload) return { lines: [], done: false };
  const lines = [`garage      ${changes} has arrived and is verified`];
  if (upload.status === 'rejected') throw new Error(`the upload was rejected: ${upload.reason ?? ''}`);
  if (upload.status === 'accepted') lines.push('garage      accepted; mail is on its way to the uploader');
  for (const build of upload.builds) {
    if (build.stage) lines.push(`builder     ${build.architecture}: ${build.stage}`);
    if (['built', 'uploaded', 'installed'].includes(build.status))
      lines.push(`builder     ${build.architecture}: built`);
    if (['uploaded', 'installed'].includes(build.status)) lines.push('repository  the set is handed over');
    // A quick sync is through before garage has heard of the publication.
    if (build.status === 'installed' || upload.live) lines.push(`repository  published in ${queue}, signed`);
    if (['attempted', 'dep-wait', 'cancelled', 'not-for-us'].includes(build.status)) {
      throw new Error(
        `the build on ${build.architecture} ended as ${build.status}: ${build.fail_reason ?? ''}`,
      );
    }
  }
  if (upload.live) lines.push(`live        ${queue} is synced`);
  return { lines, done: upload.live };
}

async function readUpload(pool: Pool, changes: string, queue: string): Promise<UploadState | undefined> {
  const { rows } = await pool.query<UploadState>(
    `select u.id, u.status, u.reason,
            coalesce((select json_agg(json_build_object('id', b.id, 'architecture', b.architecture, 'status', b.status,
                        'fail_reason', b.fail_reason, 'stage',
                        (select stage from attempts a where a.build_id = b.id order by number desc limit 1)))
                        from builds b where b.source_id = s.id), '[]') as builds,
            exists (select 1 from repository.sets t join attempts a on a.id = t.id join builds b on b.id = a.build_id
                      join repository.generations g on g.queue = t.queue and g.product = t.product
                     where b.source_id = s.id and t.queue = $2 and g.id >= t.generation_id and g.status = 'live') as live
       from uploads u left join sources s on s.upload_id = u.id
      where u.trigger_file = $1 order by u.arrived_at desc limit 1`,
    [changes, queue],
  );
  return rows[0];
}
