/** Where clients fetch a queue from, in the order that they try: what the repository says of its live targets. */
import type { Queryable } from '../../../shared/database/pool.ts';

const NOT_THERE = ['42P01', '3F000'];

/**
 * Addresses of live, without a slash at the end. Those of the targets that have one and take the queue; when
 * there is none, or the repository has never run, `repositoryUrl` alone.
 */
export async function fetchLocations(
  database: Queryable,
  queue: string,
  repositoryUrl: string,
): Promise<[string, ...string[]]> {
  try {
    const { rows } = await database.query<{ url: string }>(
      `select public_url as url from repository.sync_targets
        where public_url is not null and $1 = any(queues) order by position`,
      [queue],
    );
    const [first, ...others] = rows.map((row) => row.url);
    if (first !== undefined) return [first, ...others];
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && NOT_THERE.includes(String(error.code)))) throw error;
  }
  return [repositoryUrl.replace(/\/+$/, '')];
}
