import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { watch } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { listen } from '../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../shared/protocol/tables.ts';
import { openTestGarage } from '../support/garage.ts';
import { signedIn, webClient } from './web-client.ts';

const garage = await openTestGarage();
const app = await buildWeb(garage);
afterAll(async () => {
  await app.close();
  await garage.dispose();
});
const password = 'four words in a row';
await addAccount(garage, {
  login: 'maker',
  email: 'maker@example.org',
  password,
  sshKeys: [],
  openpgpKeys: [],
});
const maker = await signedIn(app, 'maker', password);
const folder = path.join(garage.home.incoming, 'bookworm', 'maker');
const names = async (): Promise<string[]> =>
  (await readdir(folder).catch(() => [])).sort((a, b) => (a < b ? -1 : 1));

type Part = [string, string | { name: string; content: string }];
const file = (name: string, content = `content of ${name}`): Part => ['files', { name, content }];
const form = async (...parts: Part[]): Promise<Part[]> => [
  ['_csrf', await maker.token('/upload')],
  ['product', 'bookworm'],
  ...parts,
];

test('files arrive whole, the .changes last though it was sent first, and garage is woken', async () => {
  await mkdir(folder, { recursive: true });
  const appeared: string[] = [];
  const watcher = watch(folder, (_kind, name) => {
    if (name !== null && !name.endsWith('.partial') && !appeared.includes(name)) appeared.push(name);
  });
  let wakes = 0;
  const stop = listen(garage.databaseUrl, GARAGE_CHANNEL, () => {
    wakes += 1;
  });
  await expect.poll(() => wakes).toBe(1); // connected
  const sent = [file('a_1_source.changes'), file('a_1.dsc'), file('a_1.tar.gz', 'x'.repeat(300_000))];
  const response = await maker.upload('/upload', await form(...sent));
  expect([response.statusCode, response.headers.location]).toEqual([303, '/uploads?arrived=3']);
  await expect.poll(() => wakes).toBe(2);
  expect(await names()).toEqual(['a_1.dsc', 'a_1.tar.gz', 'a_1_source.changes']);
  expect(await readFile(path.join(folder, 'a_1.tar.gz'), 'utf8')).toBe('x'.repeat(300_000));
  await expect.poll(() => appeared).toEqual(['a_1.tar.gz', 'a_1.dsc', 'a_1_source.changes']);
  watcher.close();
  await stop();
  const { body } = await maker.get('/uploads?arrived=3');
  expect(body).toContain('3 files');
  expect(body).toContain('a_1.tar.gz');
  expect(body).toContain('300 kB');
  expect((await webClient(app).get('/uploads')).body).not.toContain('a_1.tar.gz');
});

test('one bad file keeps all of them out, and every problem is told with what to do', async () => {
  const before = await names();
  const response = await maker.upload(
    '/upload',
    await form(file('b_1.dsc'), file('b 1.tar.gz'), file('.hidden'), file('b_1.dsc'), file('b_1.partial')),
  );
  expect(response.statusCode).toBe(422);
  expect(response.body).toContain('Nothing was taken over');
  expect(response.body.match(/is not a name that an upload may have/g)).toHaveLength(3);
  expect(response.body).toContain('It was chosen twice');
  expect(response.body).toContain('Names start with a letter or digit');
  expect(await names()).toEqual(before);
});

test('a path in a file name leads nowhere', async () => {
  const response = await maker.upload('/upload', await form(file('../../../c_1.dsc')));
  expect(response.statusCode).toBe(303);
  expect(await names()).toContain('c_1.dsc');
});

test('a form without files, without a product, or with its token behind the files is refused', async () => {
  const before = await names();
  const token = await maker.token('/upload');
  expect((await maker.upload('/upload', await form(file('', '')))).body).toContain('No file was chosen');
  const tries: [Part[], number][] = [
    [[['_csrf', token], ['product', 'nothing'], file('d.dsc')], 400],
    [[['_csrf', token], ['product', '../maker'], file('d.dsc')], 400],
    [[['product', 'bookworm'], file('d.dsc'), ['_csrf', token]], 403],
    [[['_csrf', 'guess'], ['product', 'bookworm'], file('d.dsc')], 403],
    [
      [
        ['_csrf', token],
        ['product', 'bookworm'],
        ...Array.from({ length: 61 }, (_, n) => file(`d${String(n)}`)),
      ],
      413,
    ],
  ];
  for (const [parts, status] of tries) expect((await maker.upload('/upload', parts)).statusCode).toBe(status);
  expect(await names()).toEqual(before);
});

test('an upload that breaks off leaves nothing behind', async () => {
  const before = await names();
  const token = await maker.token('/upload');
  const head = `--b\r\ncontent-disposition: form-data; name="_csrf"\r\n\r\n${token}\r\n--b\r\ncontent-disposition: form-data; name="product"\r\n\r\nbookworm\r\n`;
  const cut = `${head}--b\r\ncontent-disposition: form-data; name="files"; filename="e.changes"\r\n\r\nhalf`;
  const response = await app.inject({
    ...{ method: 'POST', url: '/upload', payload: cut, cookies: { autobuilder: maker.cookie() ?? '' } },
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
  });
  expect(response.statusCode).toBe(400);
  expect(await names()).toEqual(before);
});

test('a file of the same name that nobody took yet is replaced', async () => {
  await writeFile(path.join(folder, 'f_1.dsc'), 'old');
  await maker.upload('/upload', await form(file('f_1.dsc', 'new')));
  expect(await readFile(path.join(folder, 'f_1.dsc'), 'utf8')).toBe('new');
});

test('whoever is not signed in is sent to sign in, and cannot post', async () => {
  const visitor = webClient(app);
  expect((await visitor.get('/upload')).headers.location).toBe('/sign-in?next=%2Fupload');
  expect((await visitor.upload('/upload', [file('g.dsc')])).statusCode).toBe(401);
});
