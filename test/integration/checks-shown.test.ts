/** What people see of checks: the command line, a build's page, and the view that promotion reads. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { run } from '../../shared/process/run.ts';
import { openTestGarage } from '../support/garage.ts';
import { webClient } from './web-client.ts';
import { addAttempt, addSource } from './web-rows.ts';

const CHECKOUT = path.resolve(import.meta.dirname, '../..');
const garage = await openTestGarage();
const app = await buildWeb(garage);
const visitor = webClient(app);
const ids: Record<string, string> = {};
let buildId: string;

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

async function cli(...args: string[]): Promise<Ended> {
  const env = { ...garage.env, PATH: '/usr/bin:/bin' };
  const { code, stdout, stderr } = await run([path.join(CHECKOUT, 'bin/autobuilder'), 'checks', ...args], {
    env,
    cwd: '/',
  });
  return { code, out: stdout.toString(), err: stderr.toString() };
}

async function addCheck(attempt: string, name: string, status: string, report: string[]): Promise<void> {
  const ended = !['waiting', 'running'].includes(status);
  const { rows } = await garage.pool.query<{ id: string }>(
    `insert into checks (attempt_id, build_id, name, blocking, status, message, report, log, started_at, finished_at)
     values ($1, $2, $3, $3 <> 'lintian', $4, $5, $6, $7, now(), case when $8 then now() end) returning id`,
    [attempt, buildId, name, status, `what ${name} said`, report, `results/1/checks/${name}.log`, ended],
  );
  ids[name] = rows[0]?.id ?? '';
}

beforeAll(async () => {
  await addAccount(garage, { login: 'maker', email: 'maker@example.org', sshKeys: [], openpgpKeys: [] });
  ({ buildId } = await addSource(garage.pool, 'maker', {
    name: 'hello',
    version: '1.0',
    status: 'attempted',
  }));
  const attempt = await addAttempt(garage.pool, buildId, { directory: 'results/1', finished: true });
  await garage.pool.query('update attempts set packages_kept = true where id = $1', [attempt]);
  await garage.pool.query(`update builds set fail_class = 'check', fail_reason = 'Check install: no'`);
  await addCheck(attempt, 'install', 'failed', ['<b>one</b> line', 'another\u001b[31m']);
  await addCheck(attempt, 'lintian', 'passed', []);
  await addCheck(attempt, 'rebuild', 'cancelled', []);
  await mkdir(path.join(garage.home.root, 'results/1/checks'), { recursive: true });
  await writeFile(path.join(garage.home.root, 'results/1/checks/install.log'), '<script>the log</script>\n');
});
afterAll(async () => {
  await app.close();
  await garage.dispose();
});

test('the view tells verdicts, one row for each check', async () => {
  const { rows } = await garage.pool.query('select * from check_results order by name');
  expect(rows).toMatchObject([
    {
      source: 'hello',
      version: '1.0',
      architecture: 'amd64',
      name: 'install',
      blocking: true,
      verdict: 'failed',
    },
    {
      product: 'bookworm',
      name: 'lintian',
      blocking: false,
      verdict: 'passed',
      message: 'what lintian said',
    },
    { name: 'rebuild', verdict: 'error' },
  ]);
});

test('a page shows what was found, as text, with the log', async () => {
  const page = await visitor.get(`/builds/${buildId}`);
  expect(page.body).toContain('what install said');
  expect(page.body).toContain('&#60;b&#62;one');
  expect(page.body).not.toContain('<b>');
  const link = `/builds/${buildId}/checks/${ids['install'] ?? ''}/log`;
  expect(page.body).toContain(link);
  const log = await visitor.get(link);
  expect([log.statusCode, log.headers['content-type'], log.body]).toEqual([
    200,
    'text/plain; charset=utf-8',
    '<script>the log</script>\n',
  ]);
  for (const wrong of [`/builds/${buildId}/checks/${ids['lintian'] ?? ''}/log`, `/builds/999/checks/1/log`]) {
    expect((await visitor.get(wrong)).statusCode).toBe(404);
  }
});

test('the command line lists, shows and tries again', async () => {
  const listed = await cli('list', '--status', 'failed');
  expect(listed.out).toMatch(/CHECK .*\n.* install +blocking +failed .* what install said\n$/);
  const all = JSON.parse((await cli('list', '--json')).out) as { name: string }[];
  expect(all.map(({ name }) => name)).toEqual(['rebuild', 'lintian', 'install']);
  const shown = await cli('show', ids['install'] ?? '');
  expect(shown.out).toContain('<b>one</b> line\n');
  expect(shown.out).not.toContain('\u001b');
  expect((await cli('show', ids['install'] ?? '', '--log')).out).toBe('<script>the log</script>\n');
  expect(await cli('show', '999')).toMatchObject({ code: 1, err: 'error: There is no check 999\n' });
  expect(await cli('retry', ids['lintian'] ?? '')).toMatchObject({
    code: 1,
    err: `error: Check ${ids['lintian'] ?? ''} (lintian) is of a build that is attempted\n`,
  });

  expect(await cli('retry', ids['install'] ?? '')).toMatchObject({ code: 0 });
  const { rows } = await garage.pool.query('select name, status from checks order by name');
  expect(rows).toEqual([
    { name: 'install', status: 'waiting' },
    { name: 'lintian', status: 'passed' },
    { name: 'rebuild', status: 'waiting' }, // blocking, and called off with it
  ]);
  const builds = await garage.pool.query('select status, fail_class from builds');
  expect(builds.rows).toEqual([{ status: 'built', fail_class: null }]);
  expect(await cli('retry', ids['install'] ?? '')).toMatchObject({ code: 1 });
});
