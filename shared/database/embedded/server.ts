/**
 * The embedded PostgreSQL: a daemon of its own that outlives whoever started it, so any service may be
 * killed without taking the database along. Whoever needs it first starts it; `stopDatabase` ends it.
 */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { AppError } from '../../errors/app-error.ts';
import { writeFileDurably } from '../../files/durable.ts';
import { minimalEnvironment, run, runChecked, type RunOptions } from '../../process/run.ts';
import { databaseLayout, type Layout } from './layout.ts';

const START_TIMEOUT_MS = 60_000;
const SUPERUSER = 'autobuilder';
const connectionSchema = z.strictObject({ port: z.number().int(), password: z.string() });

/** The URL of the embedded database `name`, started and created where it is not. */
export async function ensureEmbeddedDatabase(databaseHome: string, name = 'autobuilder'): Promise<string> {
  const layout = await databaseLayout(databaseHome);
  const initialised = await stat(path.join(layout.data, 'PG_VERSION')).catch(() => null);
  if (!initialised) await initialise(databaseHome, layout);
  const connection = await readConnection(databaseHome);
  if (!(await isRunning(layout))) await start(databaseHome, layout, connection);
  const { port, password } = await readConnection(databaseHome);
  const url = (database: string): string =>
    `postgresql://${SUPERUSER}:${password}@127.0.0.1:${String(port)}/${database}`;
  await createDatabase(url('postgres'), name);
  return url(name);
}

/** Ends the server quickly and cleanly; one that is not there is no error. */
export async function stopEmbeddedDatabase(databaseHome: string): Promise<void> {
  const layout = await databaseLayout(databaseHome);
  await pgCtl(layout, ['stop', '-m', 'fast', '-w'], { okCodes: [0, 1] });
}

async function initialise(databaseHome: string, layout: Layout): Promise<void> {
  const password = randomBytes(24).toString('hex');
  const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-init-'));
  try {
    const passwordFile = path.join(folder, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    await mkdir(layout.data, { recursive: true, mode: 0o700 });
    for (const each of [folder, passwordFile, layout.data]) {
      if (layout.owner) await chown(each, layout.owner.uid, layout.owner.gid);
    }
    await writeFileDurably(
      connectionFile(databaseHome),
      JSON.stringify({ port: await freePort(), password }),
      { mode: 0o600 },
    );
    await chmod(layout.data, 0o700);
    await runChecked(
      [
        path.join(layout.bin, 'initdb'),
        ...['-D', layout.data, '-U', SUPERUSER, `--pwfile=${passwordFile}`],
        ...['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C.UTF-8', '--no-instructions'],
      ],
      asOwner(layout),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function start(
  databaseHome: string,
  layout: Layout,
  connection: { port: number; password: string },
): Promise<void> {
  let { port } = connection;
  if (!(await isFree(port))) {
    port = await freePort();
    await writeFileDurably(connectionFile(databaseHome), JSON.stringify({ ...connection, port }), {
      mode: 0o600,
    });
  }
  const options = `-p ${String(port)} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200`;
  const log = path.join(layout.data, 'server.log');
  await pgCtl(layout, ['start', '-w', '-t', '60', '-l', log, '-o', options], {}).catch(
    async (error: unknown) => {
      if (await isRunning(layout)) return; // another service started it at the same moment
      const tail = await readFile(log, 'utf8').catch(() => '');
      throw new AppError('embedded-database-not-started', 'The embedded PostgreSQL did not start', {
        hint: `Its log is ${log}; the last lines: ${tail.split('\n').slice(-4).join(' | ')}`,
        cause: error,
      });
    },
  );
}

async function isRunning(layout: Layout): Promise<boolean> {
  const result = await run([path.join(layout.bin, 'pg_ctl'), '-D', layout.data, 'status'], asOwner(layout));
  return result.code === 0;
}

async function pgCtl(layout: Layout, args: string[], options: RunOptions): Promise<void> {
  await runChecked([path.join(layout.bin, 'pg_ctl'), '-D', layout.data, ...args], {
    ...asOwner(layout),
    ...options,
  });
}

function asOwner(layout: Layout): RunOptions {
  return {
    timeoutMs: START_TIMEOUT_MS,
    cwd: '/',
    env: minimalEnvironment({ LC_ALL: 'C.UTF-8', HOME: '/' }),
    ...(layout.owner ? layout.owner : {}),
  };
}

async function createDatabase(adminUrl: string, name: string): Promise<void> {
  const { Client } = (await import('pg')).default;
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rowCount === 0) {
      await client
        .query(`create database ${client.escapeIdentifier(name)}`)
        .catch((error: { code?: string }) => {
          // Two services asked at once: "already exists" or the unique index behind it.
          if (error.code !== '42P04' && error.code !== '23505') throw error;
        });
    }
  } finally {
    await client.end();
  }
}

/** Where it listens when it runs; null before it was made. */
export async function embeddedPort(databaseHome: string): Promise<number | null> {
  return readConnection(databaseHome).then(
    (connection) => connection.port,
    () => null,
  );
}

function connectionFile(databaseHome: string): string {
  return path.join(databaseHome, 'connection.json');
}

async function readConnection(databaseHome: string): Promise<z.infer<typeof connectionSchema>> {
  return connectionSchema.parse(JSON.parse(await readFile(connectionFile(databaseHome), 'utf8')));
}

async function isFree(port: number): Promise<boolean> {
  return (await bind(port)) === port;
}

async function freePort(): Promise<number> {
  const port = await bind(0);
  if (port !== null) return port;
  throw new AppError('no-free-port', 'No free port on 127.0.0.1');
}

function bind(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : null));
    });
  });
}
