/** What the tests of reading share: a garage of their own (a process for each file), attempts that have run, packages. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach } from 'vitest';
import { runCommandLine } from '../../bin/autobuilder.ts';
import { finishAttempt } from '../../services/garage/dispatch/finish.ts';
import { attemptRow } from '../../services/garage/dispatch/rows.ts';
import type { Result } from '../../shared/protocol/job.ts';
import { runChecked } from '../../shared/process/run.ts';
import { openTestGarage } from '../support/garage.ts';

const LOGS = path.resolve(import.meta.dirname, '../fixtures/logs');
export const garage = await openTestGarage({
  products: {
    bookworm: {
      architectures: ['amd64', 'i386'],
      sources: [{ uris: ['http://archive.example.org/debian'], suites: ['bookworm'], components: ['main'] }],
    },
  },
  garage: {
    url: 'http://garage.example.org',
    mail: { lists: { result: ['builds@lists.example.org'] } },
  },
});
const debs = await mkdtemp(path.join(tmpdir(), 'reading-debs-'));
afterAll(async () => {
  await garage.dispose();
  await rm(debs, { recursive: true, force: true });
});

let names = 0;
/** The source of the test that runs. */
export let name = '';
beforeEach(() => {
  name = `source${String((names += 1))}`;
});

await garage.pool.query(
  `insert into hosts (name, address, port, username, host_key, workdir, slots, architectures)
   values ('builder-1', '192.0.2.1', 22, 'builder', 'key', '/srv', 64, '{amd64,i386}')`,
);

export interface End {
  architecture?: string;
  exitClass: 'success' | 'package' | 'dep-wait';
  /** Of test/fixtures/logs. */
  log: string;
  missing?: string[];
  files?: Record<string, string>;
  deb?: string;
}

export interface Leased {
  attemptId: string;
  buildId: string;
  folder: string;
}

/** An attempt that has run, with what it left in its folder. */
export async function leave(source: string, end: End): Promise<Leased> {
  const { architecture = 'amd64' } = end;
  const { rows } = await garage.pool.query<{ id: string; directory: string; build: string }>(
    `with b as (update builds set status = 'building' where source_id = $1 and architecture = $2 returning id)
     insert into attempts (build_id, number, host_id, slot, directory, leased_until, started_at)
     select b.id, coalesce((select max(number) from attempts where build_id = b.id), 0) + 1, h.id, b.id,
            'results/bookworm/' || $3 || '/' || $2 || '/' || b.id || '-' ||
              coalesce((select max(number) from attempts where build_id = b.id), 0), now(), now() - interval '90 seconds'
       from b, hosts h returning id, directory, build_id as build`,
    [source, architecture, name],
  );
  const [row] = rows;
  if (!row) throw new Error(`source ${source} has no build on ${architecture}`);
  const folder = path.join(garage.home.root, row.directory);
  await mkdir(folder, { recursive: true });
  await copyFile(path.join(LOGS, `${end.log}.log`), path.join(folder, 'build.log'));
  for (const [file, text] of Object.entries(end.files ?? {})) await writeFile(path.join(folder, file), text);
  if (end.deb !== undefined) await copyFile(path.join(debs, end.deb), path.join(folder, end.deb));
  return { attemptId: row.id, buildId: row.build, folder };
}

export async function finish(source: string, end: End): Promise<Leased> {
  const left = await leave(source, end);
  const attempt = await attemptRow(garage.pool, left.attemptId);
  const result: Result = {
    ...{ version: 1, attempt: left.attemptId, exitClass: end.exitClass, driver: 'overlay', files: [] },
    stage: end.exitClass === 'success' ? 'done' : 'build',
    message: end.exitClass === 'success' ? '' : 'dpkg-buildpackage failed (exit 2)',
    missing: end.missing ?? [],
    stageSeconds: { setup: 3.5, build: 12.25 },
    startedAt: new Date().toISOString(),
    finishedAt: new Date().toISOString(),
  };
  const { exitClass, message } = result;
  if (!(await finishAttempt(garage, attempt!, { exitClass, message, result })))
    throw new Error('ended before');
  return left;
}

/** As when the repository has published it. */
export async function install(buildId: string): Promise<void> {
  await garage.pool.query(`update builds set status = 'installed', updated_at = now() where id = $1`, [
    buildId,
  ]);
}

export interface Mail {
  recipient: string;
  subject: string;
  body: string;
  headers: Record<string, string>;
  reference_id: string;
}

export async function mailsOf(source: string): Promise<Mail[]> {
  const { rows } = await garage.pool.query<Mail>(
    `select recipient, subject, body, headers, reference_id from mails
      where kind = 'result' and subject_key like $1 order by id`,
    [`${source}:%`],
  );
  return rows;
}

export const buildinfo = (installed: string): string =>
  `Format: 1.0\nSource: sample\nArchitecture: amd64\nVersion: 1.0\nBuild-Architecture: amd64\nInstalled-Build-Depends:\n ${installed}\n`;

export async function makeDeb(version: string, files: string[]): Promise<string> {
  const tree = path.join(debs, version);
  await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
  await writeFile(
    path.join(tree, 'DEBIAN/control'),
    `Package: sample\nVersion: ${version}\nArchitecture: amd64\nMaintainer: Package Tester <tester@example.org>\nDescription: for a test\n`,
  );
  for (const file of files) {
    await mkdir(path.dirname(path.join(tree, file)), { recursive: true });
    await writeFile(path.join(tree, file), 'x');
  }
  const deb = `sample_${version}_amd64.deb`;
  await runChecked(['dpkg-deb', '--root-owner-group', '-b', tree, path.join(debs, deb)]);
  return deb;
}

export async function show(id: string): Promise<string> {
  let out = '';
  const output = { out: (text: string) => void (out += text), err: (text: string) => void (out += text) };
  Object.assign(process.env, garage.env);
  const code = await runCommandLine(['build', 'show', id], output);
  delete process.env['AUTOBUILDER_HOME'];
  delete process.env['DATABASE_URL'];
  if (code !== 0) throw new Error(out);
  return out;
}
