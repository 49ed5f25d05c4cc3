import type { Queryable } from '../../../shared/database/pool.ts';

/** Whether the repository service has ever run against this database; before that its tables are not there. */
export async function hasRepository(database: Queryable): Promise<boolean> {
  const { rows } = await database.query<{ there: boolean }>(
    `select to_regclass('repository.sets') is not null and to_regclass('repository.orders') is not null as there`,
  );
  return rows[0]?.there === true;
}
