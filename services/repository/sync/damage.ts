/** Files of staging's pool that are not what was published: they must not take the place of good ones elsewhere. */
import { AppError } from '../../../shared/errors/app-error.ts';
import { hashFile } from '../../../shared/files/hash-file.ts';
import { joinInside } from '../../../shared/files/safe-path.ts';
import type { Repository } from '../context.ts';
import { filesBelow, type SyncJob } from './job.ts';

/** Reads the whole pool; returns the paths in it that differ from what was published, or that never were. */
export async function damagedFiles(repository: Repository, job: SyncJob): Promise<string[]> {
  const damaged: string[] = [];
  for (const file of await filesBelow(job.pool)) {
    const { rows } = await repository.pool.query<{ sha256: string }>(
      'select sha256 from pool_files where product = $1 and path = $2',
      [job.product, file],
    );
    const { sums } = await hashFile(joinInside(job.pool, file), ['sha256']);
    if (rows[0]?.sha256 !== sums['sha256']) damaged.push(file);
  }
  return damaged;
}

/** True when the job, which is for what changed, sends none of these. A first one sends all. */
export function isFreeOf({ poolFiles }: SyncJob, damaged: readonly string[]): boolean {
  return poolFiles !== null && !poolFiles.some((file) => damaged.includes(file.path));
}

/** `pool-file-damaged` */
export function damagedError({ queue }: SyncJob, [first = '', ...others]: readonly string[]): AppError {
  const more = others.length === 0 ? '' : ` (and ${String(others.length)} more)`;
  return new AppError('pool-file-damaged', `${queue}: ${first} is not the file that was published${more}`, {
    hint: 'Nothing but what is new is sent until it is mended; see: autobuilder check.',
  });
}
