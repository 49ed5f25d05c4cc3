/**
 * Packages stay in the results folder while a check of their source needs them, and for some days after one
 * failed, for whoever looks into it or tries it again. They are second names of the set's files where the file
 * system allows that, so this costs no room while the set is published.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { joinInside } from '../../../shared/files/safe-path.ts';
import { result as resultSchema } from '../../../shared/protocol/job.ts';
import type { Garage } from '../context.ts';
import { isBinary } from '../dispatch/check-changes.ts';

const KEEP_FAILED = '7 days';
/** A round's worth; the next one takes the rest. */
const MAX_AT_ONCE = 50;

/** Removes the packages that nothing needs any more. */
export async function releasePackages(garage: Garage): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string; directory: string; result: unknown }>(
    `select a.id, a.directory, a.result
       from attempts a join builds b on b.id = a.build_id
      where a.packages_kept and b.status <> 'built'
        and not exists (
          select 1 from checks c join builds o on o.id = c.build_id
           where o.source_id = b.source_id
             and (c.status in ('waiting', 'running')
                  or c.status in ('failed', 'error') and c.finished_at > now() - $1::interval))
      order by a.id limit $2`,
    [KEEP_FAILED, MAX_AT_ONCE],
  );
  for (const { id, directory, result } of rows) {
    const parsed = resultSchema.safeParse(result);
    const folder = joinInside(garage.home.root, directory);
    for (const { name } of parsed.success ? parsed.data.files.filter((file) => isBinary(file.name)) : []) {
      await rm(path.join(folder, name), { force: true });
    }
    await garage.pool.query('update attempts set packages_kept = false where id = $1', [id]);
  }
}
