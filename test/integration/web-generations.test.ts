/** Pages and API of what a queue held, and the way back by a button. */
import { afterAll, describe, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { holdToDocument, type ApiDocument } from './api-support.ts';
import { signedIn, webClient, type WebClient } from './web-client.ts';
import { addSource, publish } from './web-rows.ts';

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
await addSource(pool, 'maker', { name: 'hello', version: '2.0' });
await publish(pool, 'devel', { name: 'hello', version: '1.0' });
await publish(pool, 'devel', { name: 'other', version: '1.0' });
await publish(pool, 'devel', { name: 'hello', version: '2.0' });
const maker = await signedIn(app, 'maker', PASSWORD);
const intruder = await signedIn(app, 'intruder', PASSWORD);
const root = await signedIn(app, 'root', PASSWORD);
const visitor = webClient(app);
const LIST = '/queues/devel/bookworm/generations';

const pageOf = async (client: WebClient, url: string): Promise<string> => {
  const { statusCode, body } = await client.get(url);
  expect([url, statusCode]).toEqual([url, 200]);
  return body.replaceAll('&#61;', '=').replaceAll('&#39;', "'");
};

describe('pages', () => {
  test('list generations, and say what each changed and where its snapshot is', async () => {
    expect(await pageOf(visitor, '/queues/devel/bookworm')).toContain(LIST);
    const list = await pageOf(visitor, LIST);
    for (const number of [1, 2, 3]) expect(list).toContain(`${LIST}/${String(number)}`);
    expect(list).toContain('20260201T000001Z');
    const one = await pageOf(visitor, `${LIST}/3`);
    for (const word of ['upgraded', 'hello', '1.0', '2.0', 'Check-Valid-Until: no'])
      expect(one).toContain(word);
    expect(one).toContain('/devel/snapshot/20260201T000001Z');
    expect(one).not.toContain('roll-back');
  });

  test.each([`${LIST}/4`, `${LIST}/x`, '/queues/gold/bookworm/generations', `${LIST}?before=x`])(
    '%s is not there',
    async (url) => expect((await visitor.get(url)).statusCode).toBe(404),
  );

  test('a queue without generations has an empty list', async () => {
    expect(await pageOf(visitor, '/queues/stable/bookworm/generations')).toContain(
      'Nothing was published yet.',
    );
  });
});

async function orders(): Promise<unknown[]> {
  const { rows } = await pool.query<object>(
    `select to_queue, to_generation, from_generation, requested_by from repository.orders
      where kind = 'rollback' order by id`,
  );
  return rows;
}

describe('the way back', () => {
  test('is not for visitors, and only for who maintains all that changes', async () => {
    expect((await visitor.get(`${LIST}/1/roll-back`)).statusCode).toBe(403);
    expect(await pageOf(intruder, `${LIST}/2/roll-back`)).toContain('You do not maintain hello');
    const page = await pageOf(maker, `${LIST}/1/roll-back`);
    expect(page).toContain('You do not maintain other');
    expect(page).not.toContain('name="seen"');
    const refused = await maker.post(`${LIST}/1/roll-back`, { seen: '3' });
    expect(refused.statusCode).toBe(403);
    expect((await root.post(`${LIST}/1/roll-back`, { seen: '3', _csrf: 'x' })).statusCode).toBe(403);
    expect((await root.post(`${LIST}/1/roll-back`, { seen: 'x' })).statusCode).toBe(400);
    expect(await orders()).toEqual([]);
  });

  test('says first what clients would see, then orders it once', async () => {
    expect(await pageOf(root, `${LIST}/1`)).toContain(`${LIST}/1/roll-back`);
    const page = await pageOf(root, `${LIST}/1/roll-back`);
    for (const word of ['downgraded', 'removed', 'other', 'apt neither downgrades'])
      expect(page).toContain(word);
    for (let time = 0; time < 2; time += 1) {
      const answer = await root.post(`${LIST}/1/roll-back`, { seen: '3' }, `${LIST}/1/roll-back`);
      expect([answer.statusCode, answer.headers.location]).toEqual([303, '/queues/devel/bookworm']);
    }
    const wanted = { to_queue: 'devel', to_generation: 1, from_generation: 3, requested_by: 'root' };
    expect(await orders()).toEqual([wanted]);
    expect(await pageOf(root, '/queues/devel/bookworm')).toContain('back to generation 1');
  });

  test("is a maintainer's where only theirs changes", async () => {
    expect(await pageOf(maker, `${LIST}/2/roll-back`)).toContain('name="seen"');
    expect((await maker.post(`${LIST}/2/roll-back`, { seen: '3' })).statusCode).toBe(303);
    expect(await orders()).toContainEqual(
      expect.objectContaining({ to_generation: 2, requested_by: 'maker' }),
    );
  });

  test('leads nowhere when all is so already', async () => {
    expect(await pageOf(root, `${LIST}/3/roll-back`)).toContain('there is nothing to roll back');
  });
});

const api = (url: string) => visitor.get(`/api/v1${url}`);

describe('the API', () => {
  test('lists and compares as its document says', async () => {
    const document = (await visitor.get('/api/openapi.json')).json<ApiDocument>();
    const list = await api(`${LIST}?limit=2`);
    expect(list.json()).toMatchObject({ items: [{ number: 3, added: 2 }, { number: 2 }], next: '2' });
    holdToDocument(document, '/api/v1/queues/{queue}/{product}/generations', list);
    expect((await api(`${LIST}?after=2`)).json()).toMatchObject({ items: [{ number: 1 }], next: null });
    const one = await api(`${LIST}/3`);
    holdToDocument(document, '/api/v1/queues/{queue}/{product}/generations/{number}', one);
    expect(one.json()).toMatchObject({ from: 2, isCut: false, snapshot: '20260201T000001Z' });
    const compared = (await api(`${LIST}/1?from=3`)).json<{ changes: { change: string; name: string }[] }>();
    expect(compared.changes.map(({ change, name }) => `${change} ${name}`)).toEqual([
      ...['downgraded hello', 'downgraded hello', 'removed other', 'removed other'],
    ]);
    expect((await api('/queues/stable/bookworm/generations')).json()).toEqual({ items: [], next: null });
  });

  test.each([
    [`${LIST}/9`, 404],
    [`${LIST}/3?from=9`, 404],
    [`${LIST}/3?from=x`, 400],
    ['/queues/gold/bookworm/generations', 404],
    ['/queues/stable/bookworm/generations/1', 404],
  ])('%s: %i', async (url, status) => expect((await api(url)).statusCode).toBe(status));
});
