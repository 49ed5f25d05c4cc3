/** Mail through a real SMTP server (Debian's python3-aiosmtpd): TLS, logins, refusals, outages, crashes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startBuildme } from '../../services/garage/buildme/service.ts';
import { deliverMail, deliverMails, unsentMails } from '../../services/garage/mail/deliver.ts';
import { findMail, listMails, retryMails } from '../../services/garage/mail/mails.ts';
import { queueMail } from '../../services/garage/mail/outbox.ts';
import { mailTransport } from '../../services/garage/mail/transport.ts';
import { startWorker } from '../../services/garage/mail/worker.ts';
import type { TestGarage } from '../support/garage.ts';
import { waitFor } from '../support/wait.ts';
import { header, mail, open, start } from './mail-support.ts';

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

test('a server that takes connections and says nothing holds nothing else up', async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { garage } = await start({}, { port: (silent.address() as AddressInfo).port });
  for (let n = 0; n < 5; n += 1) await queueMail(garage.pool, mail());
  const worker = await startWorker(garage);
  await waitFor('a connection', () => sockets.size > 0);
  const rounds: string[] = [];
  const buildme = await startBuildme(garage, [async () => rounds.push('round'), () => worker.sweep()]);
  for (const many of [1, 2, 3]) {
    buildme.wake();
    await waitFor('a round', () => rounds.length >= many);
  }
  await buildme.stop();
  expect((await listMails(garage.pool, { status: 'queued' }, 10)).length).toBe(5);
  silent.close();
  const hangUp = setInterval(() => sockets.forEach((socket) => socket.destroy()), 20);
  await worker.stop();
  clearInterval(hangUp);
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
  expect(await retryMails(garage, id!)).toBe(1);
  await worker.sweep();
  await waitFor('the mail', () => server.mails.length === 1);
});
