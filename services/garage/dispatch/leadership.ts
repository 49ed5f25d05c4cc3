/** Only one process dispatches: a session advisory lock, let go by PostgreSQL when its holder dies. */
import pg from 'pg';

/** Any two numbers that nothing else in this database uses. */
const LOCK = [724_186, 1] as const;

export interface Leadership {
  /** Aborted when the lock is lost (its connection broke) or released. */
  lost: AbortSignal;
  release(): Promise<void>;
}

/** The lock, or null when another process has it. Throws when the database cannot be reached. */
export async function takeLeadership(databaseUrl: string): Promise<Leadership | null> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'autobuilder-dispatch',
    keepAlive: true,
  });
  const losing = new AbortController();
  client.on('error', () => losing.abort());
  client.once('end', () => losing.abort());
  await client.connect();
  const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1, $2) as taken', [
    ...LOCK,
  ]);
  if (rows[0]?.taken !== true) {
    await client.end();
    return null;
  }
  return {
    lost: losing.signal,
    release: async () => {
      losing.abort();
      await client.end().catch(() => undefined);
    },
  };
}
