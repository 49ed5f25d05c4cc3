/** kill -9 of the whole PostgreSQL under all real services: they wait for it, and the package arrives, once. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { databaseLayout } from '../../shared/database/embedded/layout.ts';
import { dput, makeInstallation, type Installation, type Uploader } from '../support/installation.ts';
import { makeSourcePackage, signChanges } from '../support/source-package.ts';
import { waitFor } from '../support/wait.ts';
import { chosen } from './seeds.ts';

const LINE_TIMEOUT_MS = 300_000;
const MOMENTS = ['verifying', 'setup', 'build', 'uploaded'] as const;

/** In the order of the line: what is quick may be over when it is looked for. */
const ORDER = [
  'verifying',
  'accepted',
  'building',
  'setup',
  'build',
  'ending',
  'done',
  'built',
  'uploaded',
  'installed',
];

let line: Installation;
let uploader: Uploader;

beforeAll(async () => {
  line = await makeInstallation();
  await line.start();
  uploader = await line.addAccount('uploader');
}, LINE_TIMEOUT_MS);
afterAll(() => line?.dispose(), LINE_TIMEOUT_MS);

/** How far this version is: status of its upload, stage of its attempt, status of its build, whatever is there. */
async function wordsOf(trigger: string): Promise<string[]> {
  const { rows } = await line.pool.query<{ words: string[] }>(
    `select array_remove(array[u.status, b.status, a.stage], null) as words
       from uploads u left join sources s on s.upload_id = u.id left join builds b on b.source_id = s.id
       left join attempts a on a.build_id = b.id where u.trigger_file = $1`,
    [trigger],
  );
  return rows.flatMap((row) => row.words);
}

async function killDatabase(): Promise<void> {
  const { data } = await databaseLayout(line.home.database);
  const [pid = ''] = (await readFile(path.join(data, 'postmaster.pid'), 'utf8')).split('\n');
  process.kill(Number(pid), 'SIGKILL');
  await waitFor('PostgreSQL to be gone', async () => !(await stat(`/proc/${pid}`).catch(() => null)));
  await waitFor('the supervisor to start PostgreSQL again', () => line.pool.query('select 1'));
}

test.each(chosen('database', MOMENTS))('while it is %s', { timeout: LINE_TIMEOUT_MS }, async (moment) => {
  const version = `${String(MOMENTS.indexOf(moment) + 2)}.0-1`;
  const outDir = path.join(line.home.root, 'packages', version);
  const made = await makeSourcePackage('greeter', { outDir, version });
  await signChanges(made.changes, uploader.openpgpPrivate);
  expect((await dput(line, uploader, made.changes)).code).toBe(0);
  const trigger = path.basename(made.changes);
  await waitFor(
    `it to be ${moment}`,
    async () => (await wordsOf(trigger)).some((word) => ORDER.indexOf(word) >= ORDER.indexOf(moment)),
    LINE_TIMEOUT_MS,
  );
  await killDatabase();
  await waitFor(
    'it to be installed',
    async () => (await wordsOf(trigger)).includes('installed'),
    LINE_TIMEOUT_MS,
  );
  const { rows } = await line.pool.query<{ uploads: string; builds: string; good: string; sets: string }>(
    `select (select count(*) from uploads where trigger_file = $1) as uploads,
            (select count(*) from builds b join sources s on s.id = b.source_id where s.version = $2) as builds,
            (select count(*) from attempts a join builds b on b.id = a.build_id
               join sources s on s.id = b.source_id where s.version = $2 and a.exit_class = 'success') as good,
            (select count(*) from repository.sets where source_version = $2 and status = 'installed') as sets`,
    [trigger, version],
  );
  expect(rows[0]).toEqual({ uploads: '1', builds: '1', good: '1', sets: '1' });
});
