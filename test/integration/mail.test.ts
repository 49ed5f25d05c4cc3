/** Mail through a real SMTP server (Debian's python3-aiosmtpd): TLS, logins, refusals, outages, crashes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { addAccount } from '../../services/garage/accounts/accounts.ts';
import { runCommandLine } from '../../services/garage/cli/program.ts';
import { deliverMail, deliverMails, unsentMails } from '../../services/garage/mail/deliver.ts';
import { findMail, listMails } from '../../services/garage/mail/mails.ts';
import { queueMail, tell, type NewMail } from '../../services/garage/mail/outbox.ts';
import { startWorker } from '../../services/garage/mail/worker.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { openTestGarage, type TestGarage, type TestGarageOverrides } from '../support/garage.ts';
import { startRealSmtp, type RealSmtp, type RealSmtpOptions } from '../support/real-smtp-server.ts';
import { waitFor } from '../support/wait.ts';
import { signedIn, webClient } from './web-client.ts';

type Smtp = NonNullable<NonNullable<NonNullable<TestGarageOverrides['garage']>['mail']>['smtp']>;

const open: { dispose(): Promise<void> }[] = [];
const disposeAll = async (): Promise<void> => {
  for (const each of open.splice(0).toReversed()) await each.dispose();
};
afterEach(disposeAll);
afterAll(disposeAll);

async function start(
  options: RealSmtpOptions = {},
  smtp: Partial<Smtp> = {},
  more: Partial<NonNullable<NonNullable<TestGarageOverrides['garage']>['mail']>> = {},
): Promise<{ server: RealSmtp; garage: TestGarage }> {
  const server = await startRealSmtp(options);
  open.push(server);
  const settings: Smtp = { host: '127.0.0.1', port: server.port, ...smtp };
  if (options.tls && !('caFile' in smtp)) settings.caFile = server.caFile;
  const garage = await openTestGarage({
    garage: { mail: { from: 'builder@example.org', smtp: settings, ...more } },
  });
  garage.log.level = 'silent';
  open.push(garage);
  return { server, garage };
}

let mails = 0;
const mail = (more: Partial<NewMail> = {}): NewMail => ({
  kind: 'upload-rejected',
  subjectKey: `mail ${String((mails += 1))}`,
  recipient: 'uploader@example.org',
  thread: 'bookworm/hello',
  subject: 'hello_1.0_source.changes REJECTED',
  body: 'Grüße: it was not signed.\n.\nA line of a dot does not end it.\n',
  headers: { 'X-Debian-Package': 'hello' },
  ...more,
});

const header = (text: string, name: string): string | undefined =>
  new RegExp(`^${name}:\\s+(\\S.*(?:\\n[ \\t].*)*)$`, 'mi').exec(text)?.[1]?.replaceAll(/\n[ \t]/g, ' ');

test('a mail arrives whole, with the headers that a program looks for', async () => {
  const { server, garage } = await start();
  await queueMail(garage.pool, mail());
  await queueMail(garage.pool, mail({ subject: 'hello_1.1_source.changes ACCEPTED into devel' }));
  expect(await deliverMails(garage)).toEqual({ sent: 2, failed: 0 });
  const [first, second] = server.mails;
  expect(first).toMatchObject({ from: 'builder@example.org', to: ['uploader@example.org'], tls: false });
  const text = first!.data;
  expect(header(text, 'From')).toBe('Autobuilder <builder@example.org>');
  expect(header(text, 'To')).toBe('uploader@example.org');
  expect(header(text, 'Subject')).toBe('hello_1.0_source.changes REJECTED');
  expect(header(text, 'X-Debian-Package')).toBe('hello');
  expect(header(text, 'Auto-Submitted')).toBe('auto-generated');
  expect(header(text, 'Precedence')).toBe('bulk');
  expect(header(text, 'Content-Type')).toMatch(/^text\/plain; charset=utf-8/);
  expect(header(text, 'Message-ID')).toMatch(/^<upload-rejected\.[0-9a-f]{32}@example\.org>$/);
  expect(header(text, 'References')).toMatch(/^<thread\.[0-9a-f]{32}@example\.org>$/);
  expect(header(second!.data, 'References')).toBe(header(text, 'References'));
  expect(header(second!.data, 'Message-ID')).not.toBe(header(text, 'Message-ID'));
  const body = text.slice(text.indexOf('\n\n') + 2);
  expect(body.replaceAll('=C3=BC', 'ü').replaceAll('=C3=9F', 'ß')).toMatch(
    /^Grüße: it was not signed.\n\.\nA line of a dot does not end it.\n/,
  );
});

test('STARTTLS with a CA of the site, and a login whose password is a file', async () => {
  const login = { user: 'autobuilder', password: 'correct horse' };
  const { server, garage } = await start(
    { tls: 'starttls', login },
    { user: login.user, passwordFile: '/etc/hostname' },
  );
  const passwordFile = path.join(garage.home.root, 'smtp-password');
  await writeFile(passwordFile, 'wrong\n', { mode: 0o600 });
  Object.assign(garage.config.mail.smtp!, { passwordFile });
  await queueMail(garage.pool, mail());
  expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 1 });
  // A wrong password is ours to mend: nothing is given up for it, and no restart is needed.
  const [waiting] = await listMails(garage.pool, {}, 1);
  expect(waiting).toMatchObject({ status: 'queued', tries: 1, lastError: expect.stringContaining('535') });
  await writeFile(passwordFile, `${login.password}\n`);
  expect(await deliverMails(garage)).toEqual({ sent: 1, failed: 0 });
  expect(server.mails).toMatchObject([{ tls: true, user: 'autobuilder' }]);
});

test('TLS from the first byte', async () => {
  const { server, garage } = await start({ tls: 'implicit' }, { secure: true });
  await queueMail(garage.pool, mail());
  expect(await deliverMails(garage)).toEqual({ sent: 1, failed: 0 });
  expect(server.mails).toMatchObject([{ tls: true }]);
});

test('a server that nobody vouches for gets nothing', async () => {
  const { server, garage } = await start({ tls: 'starttls' });
  delete garage.config.mail.smtp!.caFile;
  await queueMail(garage.pool, mail());
  expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 1 });
  expect(server.mails).toEqual([]);
  const [waiting] = await listMails(garage.pool, {}, 1);
  expect(waiting).toMatchObject({ status: 'queued', lastError: expect.stringMatching(/certificate/i) });
});

test('where TLS is required, a server without it gets nothing, and no password', async () => {
  const { server, garage } = await start({}, { starttls: 'required' });
  await queueMail(garage.pool, mail());
  expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 1 });
  expect(server.mails).toEqual([]);
});

test('what is refused for good is failed and shown; what is refused for now is tried again', async () => {
  const { server, garage } = await start();
  await queueMail(garage.pool, mail({ recipient: 'unknown@example.org' }));
  await queueMail(garage.pool, mail({ recipient: 'spam@example.org' }));
  await queueMail(garage.pool, mail({ recipient: 'greylisted@example.org' }));
  await queueMail(garage.pool, mail());
  const worker = await startWorker(garage);
  open.push({ dispose: () => worker.stop() });
  await waitFor('the good one', () => server.mails.length === 1);
  const failed = await waitFor('the refusals', async () => {
    const rows = await listMails(garage.pool, { status: 'failed' }, 10);
    return rows.length === 2 && rows;
  });
  expect(failed.map(({ recipient, tries, lastError }) => [recipient, tries, lastError])).toEqual([
    ['spam@example.org', 1, expect.stringContaining('554 5.7.1 this is spam')],
    ['unknown@example.org', 1, expect.stringContaining('550 5.1.1 no such user here')],
  ]);
  await waitFor('a try of the greylisted', async () => {
    const [row] = await listMails(garage.pool, { status: 'queued' }, 10);
    return row?.recipient === 'greylisted@example.org' && row.tries > 0;
  });
  await server.letIn();
  await waitFor('the greylisted one', () => server.mails.length === 2);
  expect(server.mails[1]?.to).toEqual(['greylisted@example.org']);
});

test('a server that is down delays mail, and lets all of it go once it is back', async () => {
  const { server, garage } = await start();
  await server.stop();
  for (let n = 0; n < 5; n += 1) await queueMail(garage.pool, mail());
  const worker = await startWorker(garage);
  open.push({ dispose: () => worker.stop() });
  const rows = await waitFor('a try of each', async () => {
    const found = await listMails(garage.pool, {}, 10);
    return found.every((each) => each.tries > 0) && found;
  });
  expect(rows.every((each) => each.status === 'queued')).toBe(true);
  expect(rows[0]?.lastError).toMatch(/ECONNREFUSED/);
  // As after hours: the next try of each is far away.
  await garage.pool.query(
    `select graphile_worker.reschedule_jobs(array(select id from graphile_worker.jobs), run_at := now() + interval '5 hours')`,
  );
  await server.start();
  await queueMail(garage.pool, mail());
  await worker.sweep();
  await waitFor('all six', () => server.mails.length === 6);
  await waitFor('their marks', async () => (await unsentMails(garage)).length === 0);
});

const KILLED = `
  const { openGarage } = await import(process.argv[1]);
  const { deliverMail } = await import(process.argv[2]);
  const { mailTransport } = await import(process.argv[3]);
  const garage = await openGarage();
  const send = await mailTransport(garage);
  await deliverMail(garage, process.argv[4], async (mail) => {
    if (process.argv[5] === 'after') await send(mail);
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => {});
  });`;

const at = (name: string): string => path.resolve(import.meta.dirname, '../../services/garage', name);

async function deliverAndDie(garage: TestGarage, id: string, when: 'before' | 'after'): Promise<void> {
  const files = [at('context.ts'), at('mail/deliver.ts'), at('mail/transport.ts')];
  const child = spawn(process.execPath, ['--input-type=module', '-e', KILLED, '--', ...files, id, when], {
    env: garage.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  await once(child, 'exit');
  if (child.signalCode !== 'SIGKILL') throw new Error(said);
}

test('killed before the server has it: it is sent once', async () => {
  const { server, garage } = await start();
  await queueMail(garage.pool, mail());
  const [id] = await unsentMails(garage);
  await deliverAndDie(garage, id!, 'before');
  expect(await waitFor('the lock to go', async () => (await deliverMails(garage)).sent === 1)).toBe(true);
  expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 0 });
  expect(server.mails).toHaveLength(1);
});

test('killed between the server’s answer and the mark: the second copy has the same Message-ID', async () => {
  const { server, garage } = await start();
  await queueMail(garage.pool, mail());
  const [id] = await unsentMails(garage);
  await deliverAndDie(garage, id!, 'after');
  await waitFor('the lock to go', async () => (await deliverMails(garage)).sent === 1);
  expect(server.mails).toHaveLength(2);
  const [first, second] = server.mails.map(({ data }) => header(data, 'Message-ID'));
  expect(first).toBe(second);
  expect(server.mails[0]!.data).toBe(server.mails[1]!.data);
  expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 0 });
});

test('a database connection that breaks while the server takes the mail makes no second copy', async () => {
  const { server, garage } = await start();
  await queueMail(garage.pool, mail());
  const [id] = await unsentMails(garage);
  const { mailTransport } = await import('../../services/garage/mail/transport.ts');
  const send = await mailTransport(garage);
  const outcome = await deliverMail(garage, id!, async (each) => {
    await send(each);
    await garage.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state = 'idle in transaction'`,
    );
  });
  expect(outcome).toBe('sent');
  expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 0 });
  expect(server.mails).toHaveLength(1);
});

test('a worker that was killed holds no mail up: its jobs are let go at the next start', async () => {
  const { server, garage } = await start();
  const first = await startWorker(garage);
  await first.stop();
  await queueMail(garage.pool, mail());
  const [id] = await unsentMails(garage);
  await garage.pool.query(
    `select graphile_worker.add_job('deliver-mail', json_build_object('id', $1::text), job_key := 'mail-' || $1::text)`,
    [id],
  );
  // As a worker leaves it behind that was killed while it sent.
  await garage.pool.query(
    `update graphile_worker._private_jobs set locked_at = now(), locked_by = 'killed', attempts = 1`,
  );
  const second = await startWorker(garage);
  open.push({ dispose: () => second.stop() });
  await waitFor('the mail', () => server.mails.length > 0);
  expect(server.mails).toHaveLength(1);
});

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

test('a mail that is tried again by hand loses the wait of its job', async () => {
  const { server, garage } = await start();
  await server.stop();
  await queueMail(garage.pool, mail());
  const worker = await startWorker(garage);
  open.push({ dispose: () => worker.stop() });
  const [id] = await unsentMails(garage);
  await waitFor('a try', async () => (await findMail(garage.pool, id!))?.tries);
  await garage.pool.query(
    `select graphile_worker.reschedule_jobs(array(select id from graphile_worker.jobs), run_at := now() + interval '5 hours')`,
  );
  await server.start();
  const { retryMails } = await import('../../services/garage/mail/mails.ts');
  expect(await retryMails(garage, id!)).toBe(1);
  await worker.sweep();
  await waitFor('the mail', () => server.mails.length === 1);
});
