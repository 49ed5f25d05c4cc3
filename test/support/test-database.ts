/**
 * A fresh database for each test file, cloned from a template that holds both services' schemas. The
 * server is the run's own (test/support/global-setup.ts), started by whoever needs it first.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { ensureEmbeddedDatabase } from '../../shared/database/embedded/server.ts';
import { migrate } from '../../shared/database/migrate.ts';
import { withFileLock } from '../../shared/files/lock.ts';

/** Starting and migrating takes 3 seconds; several files may queue behind it on a loaded machine. */
const LOCK_WAIT_S = 90;
const TEMPLATE = 'autobuilder_template';
const SCHEMAS = ['garage', 'repository'] as const;

export interface TestDatabase {
  url: string;
  /** Drops it, whoever is still connected. */
  drop(): Promise<void>;
}

/** A database with both schemas migrated and no rows. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const home = inject('databaseHome');
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Under the lock: PostgreSQL refuses to clone a template that somebody is connected to.
  const admin = await withFileLock(path.join(home, 'lock'), LOCK_WAIT_S, async () => {
    const url = await ensureEmbeddedDatabase(home, 'postgres');
    await ensureTemplate(url);
    await execute(url, `create database ${name} template ${TEMPLATE}`);
    return url;
  });
  return {
    url: withDatabase(admin, name),
    drop: () => execute(admin, `drop database if exists ${name} with (force)`),
  };
}

async function ensureTemplate(admin: string): Promise<void> {
  const client = new pg.Client({ connectionString: admin });
  await client.connect();
  try {
    const ready = await client.query('select 1 from pg_database where datname = $1', [TEMPLATE]);
    if (ready.rowCount === 1) return;
    // A test's database need not survive a power cut, and is faster without.
    for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      await client.query(`alter system set ${setting} = off`);
    }
    await client.query('select pg_reload_conf()');
    await client.query('create database template_making');
    for (const schema of SCHEMAS) {
      const folder = new URL(`../../services/${schema}/migrations`, import.meta.url).pathname;
      await migrate(withDatabase(admin, 'template_making'), schema, folder);
    }
    await client.query(`alter database template_making rename to ${TEMPLATE}`);
  } finally {
    await client.end();
  }
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
