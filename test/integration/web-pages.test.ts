import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { signedIn, webClient } from './web-client.ts';
import { addAttempt, addSource, missingId, publish } from './web-rows.ts';

const PASSWORD = 'four words in a row';
const garage = await openTestGarage();
const { pool } = garage;
const app = await buildWeb(garage);
afterAll(async () => {
  await app.close();
  await garage.dispose();
});
for (const login of ['maker', 'intruder', 'root']) {
  const keys = { sshKeys: [], openpgpKeys: [], admin: login === 'root' };
  await addAccount(garage, { login, email: `${login}@example.org`, password: PASSWORD, ...keys });
}
const hello = await addSource(pool, 'maker', { name: 'hello', version: '2.10-3', status: 'installed' });
await publish(pool, 'devel', { name: 'hello', version: '2.10-3' });
await addSource(pool, 'maker', { name: 'libother', version: '1.0' });
await publish(pool, 'devel', { name: 'libother', version: '1.0' });
const directory = 'results/bookworm/hello_2.10-3/amd64/1';
await mkdir(path.join(garage.home.root, directory), { recursive: true });
await writeFile(
  path.join(garage.home.root, directory, 'build.log'),
  'first\n<script>bad()</script>\n\u001b[31mred\u001b[0m\n',
);
await addAttempt(pool, hello.buildId, { directory, finished: true, stage: 'done' });

const maker = await signedIn(app, 'maker', PASSWORD);
const intruder = await signedIn(app, 'intruder', PASSWORD);
const root = await signedIn(app, 'root', PASSWORD);
const visitor = webClient(app);

const PAGES: [string, string[]][] = [
  ['/', ['hello 2.10-3', 'devel/bookworm', 'Sign in']],
  ['/uploads', ['hello 2.10-3', 'maker', 'accepted']],
  [`/uploads/${hello.uploadId}`, ['hello_2.10-3_source.changes', '1.2 kB', 'installed']],
  ['/sources/bookworm/hello', ['2.10-3', 'amd64', 'devel', 'maker']],
  ['/builds', ['hello 2.10-3', 'installed']],
  ['/builds?show=open', ['libother 1.0']],
  [`/builds/${hello.buildId}`, ['builder-1, slot', 'Complete.', 'first']],
  ['/queues', ['devel/bookworm', 'stable/bookworm']],
  ['/queues/devel/bookworm', ['hello', 'libother', '<time datetime']],
  ['/queues/stable/bookworm', ['Nothing is published here yet.']],
  ['/hosts', ['builder-1', '0 of 2']],
  ['/how-to/install', ['Signed-By: /usr/share/keyrings/autobuilder-archive-keyring.gpg', '/archive-key.gpg']],
  ['/how-to/upload', ['ssh_config_options', 'YOUR-LOGIN', 'scpb']],
];
test.each(PAGES)('%s is there for a visitor and says what it is about', async (url, words) => {
  const response = await visitor.get(url);
  expect(response.statusCode).toBe(200);
  const text = response.body.replaceAll('&#61;', '=');
  for (const word of words) expect(text).toContain(word);
  expect(response.body.match(/<h1>/g)).toHaveLength(1);
  expect(response.body).not.toMatch(/ style=| on[a-z]+=|<script>/);
});

test.each([
  '/nothing',
  '/builds/999999',
  '/builds/0x1',
  '/builds/99999999999999999999999',
  `/uploads/${missingId}`,
  '/uploads/1',
  '/sources/bookworm/nothing',
  '/sources/Bookworm/..%2f',
  '/queues/nothing/bookworm',
  `/builds/${hello.buildId}/log?attempt=7`,
  `/builds/${hello.buildId}/log?attempt=-1`,
  '/uploads?before=x',
])('%s is not there: a 404 page, and a problem document for a program', async (url) => {
  const page = await visitor.get(url);
  expect(page.statusCode).toBe(404);
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  const problem = await visitor.get(url, { accept: 'application/json' });
  expect(problem.headers['content-type']).toContain('application/problem+json');
  expect(problem.json()).toMatchObject({ status: 404, code: 'not-found' });
});

test('an error of ours is told without its inside', async () => {
  const broken = await buildWeb({
    ...garage,
    pool: { query: () => Promise.reject(new Error('password authentication failed')) } as never,
  });
  const response = await broken.inject({ url: '/hosts' });
  expect(response.statusCode).toBe(500);
  expect(response.body).toContain('internal-error');
  expect(response.body).not.toContain('password authentication');
  expect((await broken.inject('/healthz')).statusCode).toBe(503);
  await broken.close();
});

test('live targets are shown to all, their places and troubles to admins', async () => {
  await pool.query(
    `insert into repository.sync_targets (name, position, kind, location, required, public_url, queues)
     values ('far-away', 1, 'ssh', 'ssh://mirror@inside.example.org/x', false, 'https://far.example.org', '{devel}')`,
  );
  await pool.query(
    `insert into repository.sync_states (target, queue, product, location, health, failures, failing_since, error)
     values ('far-away', 'devel', 'bookworm', 'x', 'unreachable', 3, now(), 'no route to inside')`,
  );
  const seen = (await visitor.get('/queues')).body;
  expect(seen).toContain('far-away');
  expect(seen).toContain('unreachable');
  expect(seen).toContain('https://far.example.org');
  expect(seen).not.toContain('inside');
  const told = (await root.get('/queues')).body;
  expect(told).toContain('ssh://mirror@inside.example.org/x');
  expect(told).toContain('no route to inside');
  const howto = (await visitor.get('/how-to/install?queue=devel')).body;
  expect(howto).toContain('https://far.example.org/devel');
  await pool.query(`delete from repository.sync_targets where name = 'far-away'`);
});

test('names and reasons from outside are text, never markup', async () => {
  const evil = '<script>alert(1)</script>"\'><img src=x>';
  await pool.query(
    `insert into uploads (product, account_id, trigger_file, files, status, reason_code, reason, hint, warnings)
     select $1, id, $1, array[$1], 'rejected', $1, $1, $1, array[$1] from accounts where login = 'maker'`,
    [evil],
  );
  const { rows } = await pool.query<{ id: string }>('select id from uploads where trigger_file = $1', [evil]);
  for (const url of ['/', '/uploads', `/uploads/${rows[0]!.id}`]) {
    const { body } = await visitor.get(url);
    expect(body).toContain('&#60;script&#62;alert(1)');
    expect(body).not.toContain('<script>alert');
    expect(body).not.toContain('<img');
  }
  const { body } = await visitor.get('/sign-in?next=/%22%3E%3Cscript%3Ealert(1)');
  expect(body).not.toContain('<script>alert');
});

test('a log is text: markup and terminal sequences in it do nothing', async () => {
  const page = await visitor.get(`/builds/${hello.buildId}`);
  expect(page.body).toContain('&#60;script&#62;bad()');
  expect(page.body).toContain('\nred\n');
  const log = await visitor.get(`/builds/${hello.buildId}/log`);
  expect(log.headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(log.headers['x-content-type-options']).toBe('nosniff');
  expect(log.body).toContain('<script>bad()</script>');
  const range = await visitor.get(`/builds/${hello.buildId}/log`, { range: 'bytes=0-4' });
  expect(range.statusCode).toBe(206);
  expect(range.body).toBe('first');
  const again = await visitor.get(`/builds/${hello.buildId}/log`, {
    'if-none-match': String(log.headers.etag),
  });
  expect(again.statusCode).toBe(304);
});

test('lists go on where the page ends, without gaps or repetitions', async () => {
  for (let n = 0; n < 120; n += 1) {
    await addSource(pool, 'intruder', { name: `many${String(n).padStart(3, '0')}`, version: '1' });
  }
  for (const start of ['/uploads?by=intruder', '/builds']) {
    const seen: string[] = [];
    let url: string | undefined = start;
    for (let pages = 0; url !== undefined && pages < 10; pages += 1) {
      const { body } = await visitor.get(url);
      const names = [...body.matchAll(/(many\d{3}) 1/g)].map((match) => match[1] ?? '');
      expect(names.length).toBeLessThanOrEqual(50);
      seen.push(...names);
      url = /rel="next" href="([^"]+)"/.exec(body)?.[1]?.replaceAll('&#61;', '=').replaceAll('&#38;', '&');
    }
    expect(seen).toHaveLength(120);
    expect(new Set(seen).size).toBe(120);
  }
});

test('the promote button is there for maintainers and admins only', async () => {
  const url = '/queues/devel/bookworm';
  expect((await visitor.get(url)).body).not.toContain('action="/promote"');
  expect((await intruder.get(url)).body).not.toContain('action="/promote"');
  expect((await maker.get(url)).body).toContain('aria-label="Promote hello 2.10-3 to testing"');
  expect((await root.get(url)).body).toContain('aria-label="Promote hello 2.10-3 to testing"');
});

test('promoting writes one order; who may not, cannot, whatever is sent', async () => {
  const order = { product: 'bookworm', source: 'hello', version: '2.10-3', from: 'devel', to: 'testing' };
  const orders = async (): Promise<unknown[]> =>
    (await pool.query('select source, source_version, to_queue, requested_by, status from repository.orders'))
      .rows;
  expect((await intruder.post('/promote', order)).statusCode).toBe(403);
  expect((await visitor.post('/promote', order, '/sign-in')).statusCode).toBe(403);
  expect((await maker.post('/promote', { ...order, to: 'stable' })).statusCode).toBe(400);
  expect((await maker.post('/promote', { ...order, from: 'testing', to: 'devel' })).statusCode).toBe(400);
  expect((await maker.post('/promote', { ...order, source: 'other' })).statusCode).toBe(403);
  expect((await maker.post('/promote', { ...order, source: '../x' })).statusCode).toBe(400);
  expect(await orders()).toEqual([]);
  const response = await maker.post('/promote', order, '/queues/devel/bookworm');
  expect([response.statusCode, response.headers.location]).toEqual([303, '/queues/devel/bookworm']);
  const queue = await maker.get('/queues/devel/bookworm');
  expect(queue.body).toContain('>ordered<');
  expect(queue.body).not.toContain('Promote hello 2.10-3');
  await maker.post('/promote', order, '/queues/devel/bookworm'); // a second click
  expect(await orders()).toEqual([
    {
      source: 'hello',
      source_version: '2.10-3',
      to_queue: 'testing',
      requested_by: 'maker',
      status: 'requested',
    },
  ]);
  await pool.query(
    "update repository.orders set status = 'refused', reason = 'is older', reason_code = 'older'",
  );
  const { body } = await visitor.get('/queues/testing/bookworm');
  expect(body).toContain('is older');
});

test('what the next queue holds already is said instead of a button', async () => {
  await publish(pool, 'testing', { name: 'hello', version: '2.10-3' });
  const { body } = await maker.get('/queues/devel/bookworm');
  expect(body).not.toContain('Promote hello 2.10-3');
  expect(body).toContain('is there');
  expect(body).toContain('Promote libother 1.0 to testing');
});

test('where builders stand and what ails them is for admins', async () => {
  expect((await maker.get('/hosts')).body).not.toContain('192.0.2.1');
  const { body } = await root.get('/hosts');
  expect(body).toContain('192.0.2.1:2201');
  expect(body).toContain('disk &#60;full&#62;');
});

test('assets are kept by browsers for ever, under a name that follows their content', async () => {
  const { body } = await visitor.get('/');
  const style = /href="(\/assets\/[0-9a-f]{16}\/style\.css)"/.exec(body)?.[1] ?? '';
  const { statusCode, headers } = await visitor.get(style);
  expect([statusCode, headers['cache-control']]).toEqual([200, 'public, max-age=31536000, immutable']);
});

test('health and metrics', async () => {
  expect((await visitor.get('/healthz')).json()).toEqual({ status: 'ok' });
  const { body } = await visitor.get('/metrics');
  expect(body).toContain('autobuilder_http_request_duration_seconds_bucket');
  expect(body).toMatch(/autobuilder_builds_open\{status="needs-build"\} 121/);
  expect(body).not.toContain('/builds/1');
});

test('before the repository has started, its pages are empty and honest', async () => {
  await pool.query('drop schema repository cascade');
  for (const url of ['/', '/queues', '/queues/devel/bookworm', '/sources/bookworm/hello']) {
    const { statusCode } = await maker.get(url);
    expect([url, statusCode]).toEqual([url, 200]);
  }
  expect((await maker.get('/queues/devel/bookworm')).body).toContain('has not started yet');
});
