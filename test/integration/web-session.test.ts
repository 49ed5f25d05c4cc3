import { stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addAccount, disableAccount, setPassword } from '../../services/garage/accounts/accounts.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { openTestGarage } from '../support/garage.ts';
import { signedIn, webClient } from './web-client.ts';

const PASSWORD = 'four words in a row';
const garage = await openTestGarage();
const app = await buildWeb(garage);
afterAll(async () => {
  await app.close();
  await garage.dispose();
});
const account = async (login: string, admin = false): Promise<void> => {
  const keys = { sshKeys: [], openpgpKeys: [] };
  await addAccount(garage, { login, email: `${login}@example.org`, password: PASSWORD, admin, ...keys });
};
await account('maker');

test('every page carries the security headers, and none allows inline script or style', async () => {
  for (const url of ['/', '/sign-in', '/no-such-page']) {
    const { headers } = await app.inject({ url });
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("style-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['x-frame-options']).toBe('DENY');
    expect(headers['strict-transport-security']).toBeUndefined();
  }
});

test('whoever only looks gets no cookie', async () => {
  for (const url of ['/', '/uploads', '/builds', '/queues', '/hosts', '/how-to/upload']) {
    const response = await app.inject({ url });
    expect(response.statusCode).toBe(200);
    expect(response.headers['set-cookie']).toBeUndefined();
  }
});

test('the session cookie is out of reach of scripts and other sites, its key of other users', async () => {
  const { headers } = await app.inject('/sign-in');
  expect(headers['set-cookie']).toMatch(
    /^autobuilder=[^;]+; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  const { mode } = await stat(path.join(garage.home.garage, 'session-key'));
  expect(mode & 0o777).toBe(0o600);
});

test('over https the cookie is bound to the host and to https', async () => {
  const { config } = garage;
  const secured = await buildWeb({ ...garage, config: { ...config, url: 'https://builds.example.org' } });
  const { headers } = await secured.inject('/sign-in');
  expect(headers['set-cookie']).toMatch(/^__Host-autobuilder=.*; Secure;/);
  expect(headers['strict-transport-security']).toContain('max-age=31536000');
  await secured.close();
});

test('signing in and out', async () => {
  const client = await signedIn(app, 'maker', PASSWORD);
  const front = await client.get('/');
  expect(front.body).toContain('maker');
  expect(front.headers['cache-control']).toBe('private, no-store');
  const out = await client.post('/sign-out', {});
  expect(out.statusCode).toBe(303);
  expect((await client.get('/')).body).toContain('Sign in');
});

test('a wrong password, an unknown and a disabled account get the same answer', async () => {
  await account('newcomer');
  await disableAccount(garage, 'newcomer');
  const answers: string[] = [];
  for (const [login, password] of [
    ['maker', 'not the password'],
    ['nobody', PASSWORD],
    ['newcomer', PASSWORD],
  ] as const) {
    const response = await webClient(app).post('/sign-in', { login, password }, '/sign-in');
    expect(response.statusCode).toBe(401);
    answers.push(/role="alert">([^<]+)</.exec(response.body)?.[1] ?? '');
  }
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toContain('do not belong together');
});

test('a session that was planted before sign-in is worth nothing afterwards', async () => {
  const attacker = webClient(app);
  const planted = await attacker.token('/sign-in');
  const victim = webClient(app);
  victim.setCookie(attacker.cookie());
  await victim.post('/sign-in', { login: 'maker', password: PASSWORD, _csrf: planted });
  expect(victim.cookie()).not.toBe(attacker.cookie());
  expect((await attacker.get('/')).body).toContain('Sign in');
  // The token that the attacker knows does not pass in the victim's new session.
  const forged = await victim.post('/sign-out', { _csrf: planted });
  expect(forged.statusCode).toBe(403);
});

test('every POST without its token is refused, whatever the path', async () => {
  const client = await signedIn(app, 'maker', PASSWORD);
  for (const url of ['/sign-in', '/sign-out', '/promote']) {
    for (const _csrf of ['', 'guess']) {
      const response = await client.post(url, { _csrf, login: 'maker', password: PASSWORD });
      expect(response.statusCode).toBe(403);
      expect(response.body).toContain('form-expired');
    }
  }
  const upload = await client.upload('/upload', [
    ['product', 'bookworm'],
    ['files', { name: 'a.dsc', content: 'x' }],
  ]);
  expect(upload.statusCode).toBe(403);
});

test('a disabled account and a changed password end the session at the next request', async () => {
  for (const [login, end] of [
    ['dora', (): Promise<void> => disableAccount(garage, 'dora')],
    ['emil', (): Promise<void> => setPassword(garage, 'emil', 'some other words')],
  ] as const) {
    await account(login);
    const client = await signedIn(app, login, PASSWORD);
    expect((await client.get('/')).body).toContain(login);
    await end();
    expect((await client.get('/')).body).not.toContain(login);
    expect((await client.get('/upload')).headers.location).toBe('/sign-in?next=%2Fupload');
  }
});

test('after sign-in one comes back to the page, but never to another site', async () => {
  for (const [next, location] of [
    ['/queues/devel/bookworm?after=x', '/queues/devel/bookworm?after=x'],
    ['https://evil.example.org/', '/'],
    ['//evil.example.org/', '/'],
    ['/\\evil.example.org/', '/'],
    ['/\u0000', '/'],
  ] as const) {
    const form = { login: 'maker', password: PASSWORD, next };
    const response = await webClient(app).post('/sign-in', form, '/sign-in');
    expect(response.headers.location).toBe(location);
  }
});

test('guessing passwords is slowed down for one address only', async () => {
  const client = webClient(app);
  const statuses: number[] = [];
  for (let tries = 0; tries < 12; tries += 1) {
    const response = await client.post('/sign-in', { login: 'maker', password: 'wrong' }, '/sign-in');
    statuses.push(response.statusCode);
  }
  expect(statuses.filter((status) => status === 401)).toHaveLength(10);
  expect(statuses.at(-1)).toBe(429);
  await signedIn(app, 'maker', PASSWORD); // from another address
});

test('X-Forwarded-For counts only from a proxy on this machine', async () => {
  const fresh = await buildWeb(garage);
  const attempt = (remoteAddress: string, forwarded: string): Promise<{ statusCode: number }> =>
    fresh.inject({
      ...{ method: 'POST', url: '/sign-in', remoteAddress },
      headers: { 'x-forwarded-for': forwarded },
    });
  let last = 0;
  for (let n = 0; n < 12; n += 1) last = (await attempt('192.0.2.7', `198.51.100.${String(n)}`)).statusCode;
  expect(last).toBe(429);
  for (let n = 0; n < 12; n += 1) last = (await attempt('127.0.0.1', `198.51.100.${String(n)}`)).statusCode;
  expect(last).toBe(403);
  await fresh.close();
});

test('a broken session cookie is nobody, not an error', async () => {
  for (const value of ['x', 'a;b', '%00', `${'A'.repeat(4000)}%3B${'B'.repeat(32)}`]) {
    const response = await app.inject({ url: '/', cookies: { autobuilder: value } });
    expect(response.statusCode).toBe(200);
  }
});
