import { runner } from 'node-pg-migrate';

/**
 * Brings `schema` up to the newest migration in `directory`, forward only, one transaction for each file.
 * Two services that start at once wait for each other.
 */
export async function migrate(url: string, schema: string, directory: string): Promise<void> {
  await runner({
    databaseUrl: url,
    dir: directory,
    schema,
    createSchema: true,
    migrationsTable: 'migrations',
    direction: 'up',
    checkOrder: true,
    lockValue: lockValueOf(schema),
    // The other service's migration takes moments; waiting beats failing.
    noLock: false,
    log: () => undefined,
  });
}

/** A lock of its own for each schema, so that services migrate independently. */
function lockValueOf(schema: string): number {
  let value = 7_241_865;
  for (const char of schema) value = (value * 31 + (char.codePointAt(0) ?? 0)) % 2_147_483_647;
  return value;
}
