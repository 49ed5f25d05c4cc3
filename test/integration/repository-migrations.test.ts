/** Migrations on tables that hold something: what was published before stays, and is not claimed to be known. */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { migrate } from '../../shared/database/migrate.ts';
import { createPool } from '../../shared/database/pool.ts';
import { createTestDatabase } from '../support/test-database.ts';

const MIGRATIONS = path.resolve(import.meta.dirname, '../../services/repository/migrations');
/** A schema of its own: the test's database has a migrated one already. */
const SCHEMA = 'repository_before';
const database = await createTestDatabase();
const pool = createPool(database.url, SCHEMA, () => undefined);
const first = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-migrations-'));
afterAll(async () => {
  await pool.end();
  await database.drop();
  await rm(first, { recursive: true });
});

test('a repository that has published keeps what it has', async () => {
  for (const name of (await readdir(MIGRATIONS)).filter((each) => /^00[12]_/.test(each))) {
    await cp(path.join(MIGRATIONS, name), path.join(first, name));
  }
  await migrate(database.url, SCHEMA, first);
  await pool.query(
    `insert into generations (queue, product, number, status, cause, added)
     values ('devel', 'bookworm', 1, 'live', 'initial', 0), ('devel', 'bookworm', 2, 'live', 'set', 1)`,
  );
  await pool.query(
    `insert into packages (product, component, kind, name, version, architecture, source, source_version, stanza, files)
     values ('bookworm', 'main', 'deb', 'app', '1.0', 'amd64', 'app', '1.0', 'Package: app', '{main/a/app/app.deb}')`,
  );
  await pool.query(
    `insert into pool_files (product, path, size, sha256) values ('bookworm', 'main/a/app/app.deb', 1, 'x')`,
  );
  await pool.query(
    `insert into members (queue, product, package_id, generation_id)
     select 'devel', 'bookworm', p.id, g.id from packages p, generations g where g.number = 2`,
  );
  await pool.query(
    `insert into orders (kind, product, source, from_queue, to_queue, status)
     values ('promote', 'bookworm', 'app', 'devel', 'testing', 'requested')`,
  );
  await migrate(database.url, SCHEMA, MIGRATIONS);
  const { rows } = await pool.query(
    'select number, changes_known, dated_at, dropped_at from generations order by number',
  );
  const unnamed = { dated_at: null, dropped_at: null };
  expect(rows).toEqual([
    { number: 1, changes_known: true, ...unnamed },
    { number: 2, changes_known: false, ...unnamed },
  ]);
  expect((await pool.query('select queue, path from kept_files')).rows).toEqual([
    { queue: 'devel', path: 'main/a/app/app.deb' },
  ]);
  expect((await pool.query('select kind, source, status from orders')).rows).toEqual([
    { kind: 'promote', source: 'app', status: 'requested' },
  ]);
});
