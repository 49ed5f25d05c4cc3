/** Who gets which mail, what may stand in it, and what admins see of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { runCommandLine } from '../../bin/autobuilder.ts';
import { deliverMails } from '../../services/garage/mail/deliver.ts';
import { findMail, listMails } from '../../services/garage/mail/mails.ts';
import { queueMail, tell } from '../../services/garage/mail/outbox.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { addUploader, nameOf, PackageShelf, putFiles, resum, round, signFile } from '../support/uploading.ts';
import { header, mail, open, start } from './mail-support.ts';
import { signedIn, webClient } from './web-client.ts';

test('lists are told beside the uploader, once each; nobody is whose address is not verified', async () => {
  const lists = {
    result: ['builds@lists.example.org', 'uploader@example.org'],
    products: {
      bookworm: { result: ['bookworm@lists.example.org'] },
      trixie: { result: ['no@example.org'] },
    },
  };
  const { server, garage } = await start({}, {}, { lists });
  await addAccount(garage, {
    ...{ login: 'stranger', email: 'Stranger@example.org', sshKeys: [], openpgpKeys: [] },
  });
  await garage.pool.query(`update accounts set email_verified_at = null where login = 'stranger'`);
  await tell(garage, garage.pool, mail({ kind: 'result' }), 'result', 'bookworm');
  await tell(garage, garage.pool, mail(), 'rejected', 'bookworm');
  await queueMail(garage.pool, mail({ recipient: 'stranger@example.org' }));
  expect(await deliverMails(garage)).toEqual({ sent: 4, failed: 0 });
  expect(server.mails.map(({ to }) => to.join())).toEqual([
    'uploader@example.org',
    'builds@lists.example.org',
    'bookworm@lists.example.org',
    'uploader@example.org',
  ]);
});

test('uploads are told to their uploader and to the list of their kind', async () => {
  const lists = { accepted: ['accepted@lists.example.org'], rejected: ['rejected@lists.example.org'] };
  const { server, garage } = await start({}, {}, { lists });
  const uploader = await addUploader(garage, 'uploader');
  const folder = await mkdtemp(path.join(tmpdir(), 'mail-packages-'));
  open.push({ dispose: () => rm(folder, { recursive: true, force: true }) });
  const shelf = new PackageShelf(folder);
  await putFiles(garage, 'uploader', await shelf.take('greeter', '0.9-1'));
  await round(garage);
  const signed = await shelf.take('greeter', '1.0-1');
  await signFile(signed, uploader, '.dsc');
  await resum(signed, signed.get(nameOf(signed, '.dsc'))!);
  await signFile(signed, uploader);
  await putFiles(garage, 'uploader', signed);
  await round(garage);
  expect(await deliverMails(garage)).toEqual({ sent: 4, failed: 0 });
  const told = server.mails.map(({ to, data }) => [to.join(), header(data, 'Subject')]);
  expect(told).toEqual([
    ['uploader@example.org', 'greeter_0.9-1_source.changes REJECTED'],
    ['rejected@lists.example.org', 'greeter_0.9-1_source.changes REJECTED'],
    ['uploader@example.org', 'greeter_1.0-1_source.changes ACCEPTED into devel'],
    ['accepted@lists.example.org', 'greeter_1.0-1_source.changes ACCEPTED into devel'],
  ]);
  const accepted = server.mails[2]!.data;
  expect(header(accepted, 'X-Debian-Package')).toBe('greeter');
  expect(header(accepted, 'X-Debian-Version')).toBe('1.0-1');
  expect(header(accepted, 'X-Autobuilder-Product')).toBe('bookworm');
  expect(header(accepted, 'X-Autobuilder-Result')).toBe('accepted');
  // Whom the .changes names has not been asked.
  for (const { to } of server.mails) expect(to.join()).not.toMatch(/maintainer|tester/);
});

test('nothing of an upload becomes a header, a second recipient or a character that hides another', async () => {
  const { server, garage } = await start();
  const evil =
    'hello\r\nBcc: victim@example.org\r\n\r\n\u202eyadot\u0000\ud800 <a@b>, "c" (d)\u2028X-Evil: 1';
  await queueMail(
    garage.pool,
    mail({ subject: evil, body: evil, thread: evil, headers: { 'X-Debian-Package': evil } }),
  );
  await queueMail(garage.pool, mail({ subject: `${'ä'.repeat(399)}😀 the end`, kind: 'result' }));
  expect(await deliverMails(garage)).toEqual({ sent: 2, failed: 0 });
  const [first, second] = server.mails;
  expect(first!.to).toEqual(['uploader@example.org']);
  const headers = first!.data.slice(0, first!.data.indexOf('\n\n'));
  expect(headers).not.toMatch(/^(?:Bcc|X-Evil):/im);
  expect(headers.match(/^Subject:/gm)).toHaveLength(1);
  expect(first!.data).not.toMatch(/\p{Cc}(?<!\n)|\u202e/u);
  expect(second!.to).toEqual(['uploader@example.org']);
});

test('admins see mails and send them again, by command line and on the web', async () => {
  const { server, garage } = await start();
  const password = 'a long password';
  const account = { email: 'admin@example.org', sshKeys: [], openpgpKeys: [], password };
  await addAccount(garage, { ...account, login: 'admin', admin: true });
  await addAccount(garage, { ...account, login: 'uploader', email: 'uploader@example.org' });
  await queueMail(garage.pool, mail({ recipient: 'greylisted@example.org', subject: 'hello <REJECTED>' }));
  await deliverMails(garage);
  await garage.pool.query(`update mails set status = 'failed'`);
  const [{ id } = { id: '' }] = await listMails(garage.pool, {}, 1);

  const run = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const said = { out: '', err: '' };
    const output = { out: (text: string) => (said.out += text), err: (text: string) => (said.err += text) };
    Object.assign(process.env, garage.env);
    try {
      const code = await runCommandLine(['mail', ...args], {
        out: (text) => void output.out(text),
        err: (text) => void output.err(text),
      });
      return { code, ...said };
    } finally {
      delete process.env['AUTOBUILDER_HOME'];
      delete process.env['DATABASE_URL'];
    }
  };
  expect((await run('list', '--status', 'failed')).out).toMatch(/greylisted@example\.org +hello <REJECTED>/);
  expect(JSON.parse((await run('list', '--json')).out)).toMatchObject([{ id, status: 'failed', tries: 1 }]);
  const shown = (await run('show', id)).out;
  expect(shown).toMatch(/last error +.*451 4\.7\.1 greylisted/);
  expect(shown).toContain('Grüße: it was not signed.');
  expect(await run('retry')).toMatchObject({ code: 1, err: expect.stringContaining('--failed') });
  expect(await run('list', '--status', 'lost')).toMatchObject({ code: 1 });

  const app = await buildWeb(garage);
  open.push({ dispose: () => app.close() });
  const visitor = webClient(app);
  expect((await visitor.get('/healthz')).json()).toEqual({
    status: 'ok',
    mail: { waiting: 0, late: 0, failed: 1 },
  });
  expect((await visitor.get('/metrics')).body).toContain('autobuilder_mails_open{state="failed"} 1');
  expect((await visitor.get('/mails')).statusCode).toBe(403);
  expect((await (await signedIn(app, 'uploader', password)).get(`/mails/${id}`)).statusCode).toBe(403);
  const admin = await signedIn(app, 'admin', password);
  const page = await admin.get('/mails?status=failed');
  expect(page.body).toContain('hello &#60;REJECTED&#62;');
  expect((await admin.get(`/mails/${id}`)).body).toContain('451 4.7.1 greylisted');
  expect((await admin.post(`/mails/${id}/retry`, {}, `/mails/${id}`)).statusCode).toBe(303);
  expect(await findMail(garage.pool, id)).toMatchObject({ status: 'queued', tries: 0 });
  await server.letIn();
  expect(await deliverMails(garage)).toEqual({ sent: 1, failed: 0 });
  expect((await admin.post(`/mails/${id}/retry`, {}, '/')).statusCode).toBe(409);
  expect(await run('retry', id)).toMatchObject({ code: 1, err: expect.stringContaining('has been sent') });
  expect((await visitor.get('/healthz')).json()).toEqual({ status: 'ok' });
});
