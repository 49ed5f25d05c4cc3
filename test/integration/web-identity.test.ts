/** A changed configuration that the repository holds back, for people who look at the web only. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { signedIn, webClient } from './web-client.ts';

const PASSWORD = 'four words in a row';
const ACCEPT = 'autobuilder identity accept devel --product bookworm';
const CHANGES = [
  { field: 'Origin', from: 'Old', to: '<New>', effect: 'apt-get update fails' },
  { field: 'Architectures', from: 'i386', to: '', effect: 'machines of i386 get no more updates' },
];

const garage = await openTestGarage();
const app = await buildWeb(garage);
afterAll(async () => {
  await app.close();
  await garage.dispose();
});
const person = { email: 'root@example.org', password: PASSWORD, sshKeys: [], openpgpKeys: [] };
await addAccount(garage, { ...person, login: 'root', admin: true });
const admin = await signedIn(app, 'root', PASSWORD);
const visitor = webClient(app);

beforeEach(() => garage.pool.query('delete from repository.held_identities'));

async function hold(queue: string): Promise<void> {
  await garage.pool.query(
    `insert into repository.held_identities (queue, product, changes) values ($1, 'bookworm', $2)`,
    [queue, JSON.stringify(CHANGES)],
  );
}

test('admins read on each page what is held back and what to do; nothing where nothing is', async () => {
  expect((await admin.get('/')).body).not.toContain('held back');
  await hold('devel');
  for (const url of ['/', '/queues', '/hosts']) {
    const { body } = await admin.get(url);
    expect(body).toContain('Origin &#39;Old&#39; to &#39;&#60;New&#62;&#39;, Architectures without i386');
    expect(body).toContain(ACCEPT);
    expect((await visitor.get(url)).body).not.toContain(ACCEPT);
  }
});

test("the queue's page says it to everybody, and no other queue's", async () => {
  await hold('devel');
  const { body } = await visitor.get('/queues/devel/bookworm');
  expect(body).toContain('Architectures without i386');
  expect(body).toContain(ACCEPT);
  expect((await visitor.get('/queues/testing/bookworm')).body).not.toContain('waits for an admin');
});

test('/healthz stays 200 and names it with the next step', async () => {
  await hold('devel');
  const answer = await visitor.get('/healthz');
  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toEqual({
    status: 'ok',
    identity: [
      {
        ...{ queue: 'devel', product: 'bookworm', since: expect.any(String) },
        heldBack: "Origin 'Old' to '<New>', Architectures without i386",
        hint: expect.stringContaining(ACCEPT),
      },
    ],
  });
});

test('what is left of a queue that is not configured any more is not told', async () => {
  await hold('gone');
  expect((await visitor.get('/healthz')).json()).toEqual({ status: 'ok' });
  expect((await admin.get('/')).body).not.toContain('held back');
});
