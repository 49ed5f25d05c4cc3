/** What garage tells admins of the archive's keys: on each page, and by mail once for each warning. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { mailKeyWarnings } from '../../services/garage/keys/mails.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { signedIn, webClient } from './web-client.ts';

const PASSWORD = 'four words in a row';
const KEY = '0123456789ABCDEF0123456789ABCDEF01234567';
const DAY_MS = 24 * 3600 * 1000;

const garage = await openTestGarage();
const { pool } = garage;
const app = await buildWeb(garage);
afterAll(async () => {
  await app.close();
  await garage.dispose();
});
for (const login of ['maker', 'root', 'second']) {
  const keys = { sshKeys: [], openpgpKeys: [], admin: login !== 'maker' };
  await addAccount(garage, { login, email: `${login}@example.org`, password: PASSWORD, ...keys });
}
const admin = await signedIn(app, 'root', PASSWORD);
const maker = await signedIn(app, 'maker', PASSWORD);
const visitor = webClient(app);

beforeEach(async () => {
  await pool.query('delete from repository.archive_keys');
  await pool.query('delete from repository.signing_state');
  await pool.query('delete from mails');
});

async function addKey(
  endsInDays: number | null,
  more: { state?: string; problem?: string } = {},
): Promise<void> {
  const expiresAt = endsInDays === null ? null : new Date(Date.now() + endsInDays * DAY_MS);
  await pool.query(
    `insert into repository.archive_keys (fingerprint, user_id, backend, state, created_at, expires_at, problem)
     values ($1, 'Test', 'file', $2, now(), $3, $4)`,
    [KEY, more.state ?? 'active', expiresAt, more.problem ?? null],
  );
}

async function mails(): Promise<unknown[]> {
  const { rows } = await pool.query<{ recipient: string; subject: string }>(
    'select recipient, subject from mails order by id',
  );
  return rows.map(({ recipient, subject }) => `${recipient}: ${subject}`);
}

test('admins read on each page that a key ends soon; nobody else does', async () => {
  await addKey(6.5);
  for (const url of ['/', '/queues', '/hosts']) {
    expect((await admin.get(url)).body).toContain('within 7 days');
    for (const other of [maker, visitor]) expect((await other.get(url)).body).not.toContain('Archive key');
  }
});

test.each([
  ['ends far away', 400, {}],
  ['never ends', null, {}],
  ['is retired', 1, { state: 'retired' }],
])('nothing is said of a key that %s', async (_what, days, more) => {
  await addKey(days, more);
  expect((await admin.get('/')).body).not.toContain('Archive key');
  await mailKeyWarnings(garage);
  expect(await mails()).toEqual([]);
});

/** Rounds of garage so many days from now. */
async function roundsAt(days: number): Promise<void> {
  const now = new Date(Date.now() + days * DAY_MS);
  for (let round = 0; round < 3; round += 1) await mailKeyWarnings(garage, now);
}

/** One mail to each admin. */
function toAdmins(words: string): string[] {
  return ['root', 'second'].map((login) => `${login}@example.org: Autobuilder: ${words}`);
}

test('each admin is told by mail 30, 7 and 1 days before the end, and at the end; once each', async () => {
  await addKey(45);
  const expected: string[] = [];
  for (const [day, words] of [
    [14, null],
    [16, 'ends within 30 days'],
    [37, null],
    [39, 'ends within 7 days'],
    [44.5, 'ends within 1 day'],
    [45.5, 'has ended'],
    [60, null],
  ] as const) {
    await roundsAt(day);
    if (words !== null) expected.push(...toAdmins(`archive key 89ABCDEF01234567 ${words}`));
    expect((await mails()).filter((each) => !expected.includes(String(each)))).toEqual([]);
  }
  expect(await mails()).toEqual(expected);
});

test('a key that was extended is warned of again when its new end comes near', async () => {
  await addKey(5);
  await mailKeyWarnings(garage);
  await pool.query(`update repository.archive_keys set expires_at = expires_at + interval '1 day'`);
  await mailKeyWarnings(garage);
  expect(await mails()).toHaveLength(4);
});

test('when nothing can be signed admins read it at once, and are told by mail when it lasts', async () => {
  await pool.query(
    `insert into repository.signing_state (code, message, keyring_version) values ('signer-unavailable', 'it is <away>', '')`,
  );
  expect((await admin.get('/')).body).toContain(
    'Nothing can be signed, so nothing is published: it is &#60;away',
  );
  await mailKeyWarnings(garage);
  expect(await mails()).toEqual([]);
  await pool.query(`update repository.signing_state set since = now() - interval '10 minutes'`);
  await mailKeyWarnings(garage);
  await mailKeyWarnings(garage);
  expect(await mails()).toEqual(toAdmins('nothing can be signed'));
});
