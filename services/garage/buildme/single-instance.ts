/**
 * One buildme at a time for a database, whether the service's, cron's or an admin's: a session advisory
 * lock, which PostgreSQL lets go of when its holder dies.
 */
import { hostname } from 'node:os';
import pg from 'pg';
import type { Garage } from '../context.ts';

const BUILDME_LOCK = 7_241_002;
const NAME_PREFIX = 'autobuilder buildme ';
/** PostgreSQL cuts application names at 63 bytes. */
const MAX_HOLDER_LENGTH = 63 - NAME_PREFIX.length;

export type Held =
  | {
      kind: 'held';
      /** True once the connection, and with it the lock, is lost. */
      isLost(): boolean;
      release(): Promise<void>;
    }
  | {
      kind: 'busy';
      /** Who has it, as `user@host pid 1234`. */
      holder: string;
    };

/** Takes the lock, or says who has it; never waits. */
export async function holdBuildme(garage: Garage): Promise<Held> {
  const user = process.env['USER'] ?? String(process.getuid?.() ?? '');
  const self = `${user}@${hostname()} pid ${String(process.pid)}`.slice(0, MAX_HOLDER_LENGTH);
  const client = new pg.Client({
    connectionString: garage.databaseUrl,
    application_name: NAME_PREFIX + self,
    keepAlive: true,
  });
  let isLost = false;
  client.on('error', () => {
    isLost = true;
  });
  await client.connect();
  try {
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [
      BUILDME_LOCK,
    ]);
    if (rows[0]?.held) {
      return { kind: 'held', isLost: () => isLost, release: () => client.end() };
    }
    const holder = await holderOf(client);
    await client.end();
    return { kind: 'busy', holder };
  } catch (error) {
    await client.end();
    throw error;
  }
}

async function holderOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select a.application_name as name
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = $1 and l.objsubid = 1
        and l.database = (select oid from pg_database where datname = current_database())`,
    [BUILDME_LOCK],
  );
  // It may have ended between the two questions.
  return rows[0]?.name.replace(NAME_PREFIX, '') ?? 'one that has just ended';
}
