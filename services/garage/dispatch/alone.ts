import pg from 'pg';
import type { Garage } from '../context.ts';

/** What is done on a host one at a time, whoever asks; any numbers that nothing else in this database uses. */
export const ALONE = { installCheck: 7_241_870, trial: 7_241_871 } as const;

/** Waits for the host's turn; the lock goes with the connection, so somebody who is killed blocks nobody. */
export async function aloneOnHost<T>(
  garage: Pick<Garage, 'databaseUrl'>,
  hostId: string,
  lockClass: (typeof ALONE)[keyof typeof ALONE],
  work: () => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: garage.databaseUrl,
    application_name: 'autobuilder-alone-on-host',
  });
  client.on('error', () => undefined); // the work goes on; the worst is a second one beside it
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1, $2)', [lockClass, Number(hostId)]);
    return await work();
  } finally {
    await client.end().catch(() => undefined);
  }
}
