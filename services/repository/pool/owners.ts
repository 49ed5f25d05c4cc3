/**
 * A binary package name belongs to one source in a queue: what users have installed from one source is
 * not replaced by another's, whoever uploads it. A name is free again once its source has left it, by a
 * newer version that no longer builds it.
 */
import type { Queryable } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { KnownPackage } from './records.ts';

export interface OwnedName {
  name: string;
  source: string;
}

/** Binary names of `packages` that other sources hold in the queue now. */
export async function namesOfOthers(
  database: Queryable,
  at: { queue: string; product: string },
  source: string,
  packages: readonly Pick<KnownPackage, 'kind' | 'name'>[],
): Promise<OwnedName[]> {
  const names = packages.filter((each) => each.kind !== 'source').map((each) => each.name);
  const { rows } = await database.query<OwnedName>(
    `select distinct p.name, p.source from members m join packages p on p.id = m.package_id
      where m.queue = $1 and m.product = $2 and p.kind <> 'source' and p.name = any($3::text[]) and p.source <> $4
      order by p.name, p.source`,
    [at.queue, at.product, names, source],
  );
  return rows;
}

/** The refusal, or null when `taken` is empty. */
export function takenBinary(queue: string, taken: readonly OwnedName[]): AppError | null {
  const first = taken[0];
  if (!first) return null;
  return new AppError(
    'binary-taken',
    `Binary package ${first.name} belongs to source ${first.source} in ${queue}.`,
    { hint: `A version of ${first.source} that no longer builds it must come there first.` },
  );
}
