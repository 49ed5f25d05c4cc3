import pg from 'pg';
import type { Queryable } from './pool.ts';

/** Wait before a lost LISTEN connection is tried again; the cron sweep covers the time between. */
const RECONNECT_MS = 2_000;

/** Says "look now" to whoever listens; part of the caller's transaction, so it is heard after the commit. */
export async function wake(database: Queryable, channel: string): Promise<void> {
  await database.query('select pg_notify($1, $2)', [channel, '']);
}

/**
 * Calls `onWake` for each notification on `channel`, and once after each (re)connect since something may
 * have been missed. A hint only. Returns a function that ends it.
 */
export function listen(url: string, channel: string, onWake: () => void): () => Promise<void> {
  let closed = false;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  const connect = async (): Promise<void> => {
    const next = new pg.Client({ connectionString: url, application_name: `autobuilder-listen-${channel}` });
    client = next;
    next.on('notification', onWake);
    next.on('error', () => undefined); // 'end' follows and reconnects
    next.once('end', () => {
      if (!closed) timer = setTimeout(() => void connect(), RECONNECT_MS);
    });
    try {
      await next.connect();
      await next.query(`listen ${next.escapeIdentifier(channel)}`);
      onWake();
    } catch {
      await next.end().catch(() => undefined);
      if (!closed) {
        clearTimeout(timer);
        timer = setTimeout(() => void connect(), RECONNECT_MS);
      }
    }
  };
  void connect();
  return async () => {
    closed = true;
    clearTimeout(timer);
    await client?.end().catch(() => undefined);
  };
}
