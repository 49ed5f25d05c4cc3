import pg from 'pg';
import { z } from 'zod';
import { AppError } from '../errors/app-error.ts';
import type { Home } from '../config/home.ts';
import { secretFile } from '../config/fields.ts';
import { readFile } from 'node:fs/promises';
import { withFileLock } from '../files/lock.ts';
import path from 'node:path';
import { ensureEmbeddedDatabase } from './embedded/server.ts';

export type Pool = pg.Pool;
/** A pool or a client inside a transaction. */
export type Queryable = Pick<pg.Pool | pg.PoolClient, 'query'>;
export type Client = pg.PoolClient;

/** Connections a service holds at most: four services and the tests stay far below PostgreSQL's 200. */
const POOL_MAX = 12;
const CONNECT_TIMEOUT_MS = 10_000;
const EMBEDDED_LOCK_WAIT_S = 90;

/** Section `database`: nothing means the embedded server. */
export const databaseSection = z.strictObject({
  /** postgresql://user@host/name without a password; `DATABASE_URL` goes before it. */
  url: z.string().startsWith('postgres').optional(),
  passwordFile: secretFile.optional(),
});

/** The connection URL: `DATABASE_URL`, the configured one, or the embedded server's, started if need be. */
export async function databaseUrl(section: z.infer<typeof databaseSection>, home: Home): Promise<string> {
  const given = process.env['DATABASE_URL'] ?? section.url;
  if (!given) {
    const lock = path.join(home.database, 'lock');
    return withFileLock(lock, EMBEDDED_LOCK_WAIT_S, () => ensureEmbeddedDatabase(home.database));
  }
  const url = new URL(given);
  if (section.passwordFile) url.password = (await readFile(section.passwordFile, 'utf8')).trim();
  return url.href;
}

/** A pool whose unqualified names mean `schema`. Broken idle connections are dropped, not fatal. */
export function createPool(url: string, schema: string, onIdleError: (error: Error) => void): Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    options: `-c search_path=${schema}`,
    application_name: `autobuilder-${schema}`,
  });
  pool.on('error', onIdleError);
  return pool;
}

/** Runs `work` in one transaction: committed when it returns, rolled back when it throws. */
export async function transaction<T>(pool: Pool, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that breaks while no query runs says so by an event; the next query then throws.
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query('begin');
    const value = await work(client);
    await client.query('commit');
    return value;
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** The first row, or an AppError of `code` when there is none. */
export function firstRow<T>(rows: T[], code: string, message: string): T {
  const row = rows[0];
  if (row !== undefined) return row;
  throw new AppError(code, message);
}
