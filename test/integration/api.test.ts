/** The API's answers: each held to the document, and to what people of different rights may see. */
import { writeFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { readMissed } from '../../services/garage/reading/sweep.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { holdToDocument, type ApiDocument } from './api-support.ts';
import { addAttempt, addSource, missingId, publish } from './web-rows.ts';
import { signedIn, webClient } from './web-client.ts';

const PASSWORD = 'four words in a row';
const garage = await openTestGarage({ garage: { url: 'https://builds.example.org/' } });
const { pool } = garage;
const app = await buildWeb(garage);
// Over plain http in the test, where no __Host- cookie comes back.
const plain = await buildWeb({ ...garage, config: { ...garage.config, url: 'http://builds.example.org' } });
afterAll(async () => {
  await app.close();
  await plain.close();
  await garage.dispose();
});
for (const login of ['uploader', 'admin']) {
  const keys = { sshKeys: [], openpgpKeys: [], admin: login === 'admin' };
  await addAccount(garage, { login, email: `${login}@example.org`, password: PASSWORD, ...keys });
}
const visitor = webClient(app);
const document = (await visitor.get('/api/openapi.json')).json<ApiDocument>();

const hello = await addSource(pool, 'uploader', { name: 'hello', version: '1:2.10-3', status: 'installed' });
const directory = 'results/bookworm/hello_2.10-3/amd64/1';
await mkdir(path.join(garage.home.root, directory), { recursive: true });
await writeFile(path.join(garage.home.root, directory, 'build.log'), 'the log\n');
const result = {
  ...{ version: 1, attempt: missingId, exitClass: 'success', stage: 'done', message: '', missing: [] },
  ...{ driver: 'overlay', stageSeconds: { setup: 1.5, build: 2 }, startedAt: '', finishedAt: '', files: [] },
};
await addAttempt(pool, hello.buildId, { directory, finished: true, stage: 'done', result });
await readMissed(garage);
await publishAll();
const waiting = await addSource(pool, 'uploader', { name: 'waits', version: '1' });
await pool.query(`update builds set architecture = 'riscv64' where id = $1`, [waiting.buildId]);
await pool.query('update sources set related_at = now()');
const rejected = await pool.query<{ id: string }>(
  `insert into uploads (product, account_id, trigger_file, files, status, reason_code, reason, hint, decided_at)
   select 'bookworm', id, 'bad.dsc', '{bad.dsc}', 'rejected', 'bad-signature', 'It is bad', 'Sign it', now()
     from accounts where login = 'uploader' returning id`,
);
await pool.query(
  `insert into repository.orders (kind, product, source, source_version, from_queue, to_queue, requested_by)
   values ('promote', 'bookworm', 'hello', '1:2.10-3', 'devel', 'testing', 'uploader')`,
);

async function publishAll(): Promise<void> {
  for (const name of ['abc', 'hello', 'hello-more']) {
    await publish(pool, 'devel', { name, version: '1:2.10-3' });
  }
}

const ANSWERS: [path: string, url: string, part: object][] = [
  ['/uploads', '/uploads', { next: null }],
  [
    '/uploads/{id}',
    `/uploads/${hello.uploadId}`,
    { files: [{ name: 'hello.dsc', size: 1234 }, { size: null }] },
  ],
  [
    '/uploads/{id}',
    `/uploads/${rejected.rows[0]!.id}`,
    { reasonCode: 'bad-signature', hint: 'Sign it', builds: [] },
  ],
  [
    '/sources',
    '/sources?source=hello',
    { items: [{ source: 'hello', uploader: 'uploader', version: '1:2.10-3' }] },
  ],
  ['/builds', '/builds?status=installed', { items: [{ architecture: 'amd64', status: 'installed' }] }],
  [
    '/builds/{id}',
    `/builds/${hello.buildId}`,
    { waiting: null, attempts: [{ exitClass: 'success', stageSeconds: { setup: 1.5 } }] },
  ],
  [
    '/builds/{id}',
    `/builds/${waiting.buildId}`,
    { waiting: { code: 'no-host', says: 'There is no host for riscv64.', ahead: null, estimate: null } },
  ],
  [
    '/builds/{id}/reading',
    `/builds/${hello.buildId}/reading`,
    { attempt: 1, facts: { exitClass: 'success', lines: 1, firstError: null }, comparison: null },
  ],
  ['/hosts', '/hosts', { items: [{ name: 'builder-1', slots: 2, busySlots: 0 }] }],
  ['/queues', '/queues', {}],
  ['/queues/{queue}/{product}', '/queues/devel/bookworm', { state: { generation: 3 }, next: null }],
  ['/queues/{queue}/{product}', '/queues/stable/bookworm', { state: { generation: null }, items: [] }],
  ['/orders', '/orders?product=bookworm', { items: [{ from: 'devel', to: 'testing', status: 'requested' }] }],
];

test.each(ANSWERS)('%s (%s) answers what the document says', async (name, url, part) => {
  const answer = await visitor.get(`/api/v1${url}`);
  expect(answer.json()).toMatchObject(part);
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['cache-control']).toBe('private, no-store');
  holdToDocument(document, `/api/v1${name}`, answer);
});

test('the document has every address, each with its answer and its errors described', () => {
  expect(document.openapi).toBe('3.1.0');
  const addresses = Object.keys(document.paths);
  expect(addresses).toEqual(expect.arrayContaining(ANSWERS.map(([name]) => `/api/v1${name}`)));
  for (const address of addresses) {
    const { responses } = document.paths[address]!.get;
    expect(responses['200']?.content?.['application/json']?.schema).toBeDefined();
    expect('404' in responses).toBe(address.includes('{'));
  }
});

test('an answer that the document does not describe is noticed', async () => {
  const answer = await visitor.get('/api/v1/orders');
  expect(() => holdToDocument(document, '/api/v1/builds', answer)).toThrow(/architecture/);
});

test('the log of an attempt is where its logUrl says', async () => {
  const build = (await visitor.get(`/api/v1/builds/${hello.buildId}`)).json<{
    attempts: { logUrl: string }[];
  }>();
  const { logUrl } = build.attempts[0]!;
  expect(logUrl).toMatch(/^https:\/\/builds\.example\.org\/builds\/\d+\/log\?attempt=1$/);
  expect((await visitor.get(logUrl.replace('https://builds.example.org', ''))).body).toBe('the log\n');
});

test.each([
  ['/builds/999999', 404, 'not-found'],
  ['/builds/x', 404, 'not-found'],
  [`/uploads/${missingId}`, 404, 'not-found'],
  ['/queues/nothing/bookworm', 404, 'not-found'],
  ['/nothing', 404, 'not-found'],
  ['/builds?limit=0', 400, 'bad-request'],
  ['/builds?limit=9999', 400, 'bad-request'],
  ['/builds?after=x', 400, 'bad-request'],
  ['/uploads?after=1', 400, 'bad-request'],
  ['/queues/devel/bookworm?after=hello', 400, 'bad-request'],
])('%s is a problem with a code, a message and a hint, even for a browser', async (url, status, code) => {
  const answer = await visitor.get(`/api/v1${url}`, { accept: 'text/html' });
  expect(answer.statusCode).toBe(status);
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  const problem = answer.json<Record<string, unknown>>();
  expect(problem).toMatchObject({ status, code, type: 'about:blank' });
  expect(String(problem['message'])).toMatch(/^[A-Z]/);
  expect(problem).toHaveProperty('hint');
});

test('what goes wrong inside is not told', async () => {
  const broken = await buildWeb({
    ...garage,
    pool: { query: () => Promise.reject(new Error('secret')) } as never,
  });
  const answer = await broken.inject('/api/v1/builds');
  expect(answer.statusCode).toBe(500);
  expect(answer.json()).toMatchObject({ code: 'internal-error' });
  expect(answer.body).not.toContain('secret');
  await broken.close();
});

test('addresses and errors of hosts are for admins only', async () => {
  const uploader = await signedIn(plain, 'uploader', PASSWORD);
  for (const client of [visitor, uploader]) {
    const { body } = await client.get('/api/v1/hosts');
    expect(body).not.toMatch(/192\.0\.2\.1|disk|address|lastError/);
  }
  const answer = await (await signedIn(plain, 'admin', PASSWORD)).get('/api/v1/hosts');
  expect(answer.json()).toMatchObject({ items: [{ address: '192.0.2.1', lastError: 'disk <full>' }] });
  holdToDocument(document, '/api/v1/hosts', answer);
});

test('nothing can be written', async () => {
  for (const method of ['POST', 'PUT', 'DELETE'] as const) {
    const answer = await app.inject({ method, url: '/api/v1/builds' });
    expect([403, 404]).toContain(answer.statusCode);
  }
});

interface Listed {
  items: Record<string, unknown>[];
  next: string | null;
}

/** Every item of a list, `limit` at a time. */
async function walk(url: string, limit: number): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  let after = '';
  for (let pages = 0; pages < 100; pages += 1) {
    const answer = await visitor.get(`/api/v1${url}?limit=${String(limit)}${after}`);
    const list = answer.json<Listed>();
    expect(list.items.length).toBeLessThanOrEqual(limit);
    items.push(...list.items);
    if (list.next === null) return items;
    after = `&after=${encodeURIComponent(list.next)}`;
  }
  throw new Error('it never ends');
}

test('a list is walked page by page: each item once, in order, while new ones come', async () => {
  for (let number = 0; number < 7; number += 1) {
    await addSource(pool, 'uploader', { name: `many-${String(number)}`, version: '1.0' });
  }
  for (const url of ['/uploads', '/sources', '/builds', '/queues/devel/bookworm', '/orders', '/hosts']) {
    const whole = (await visitor.get(`/api/v1${url}`)).json<Listed>().items;
    expect(whole.length).toBeGreaterThan(0);
    for (const limit of [1, 2, 3]) expect(await walk(url, limit)).toEqual(whole);
  }
  const first = (await visitor.get('/api/v1/builds?limit=3')).json<Listed>();
  await addSource(pool, 'uploader', { name: 'came-later', version: '1.0' });
  const second = (await visitor.get(`/api/v1/builds?limit=3&after=${first.next!}`)).json<Listed>();
  const ids = [...first.items, ...second.items].map((item) => Number(item['id']));
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => b - a));
});
