import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { transaction } from '../../../shared/database/pool.ts';
import { openTestGarage, type TestGarage } from '../../../test/support/garage.ts';
import { SmtpServer } from '../../../test/support/smtp-server.ts';
import { namesIn } from '../../../test/support/uploading.ts';
import { waitFor } from '../../../test/support/wait.ts';
import { deliverMail, deliverMails, unsentMails } from './deliver.ts';
import { queueMail, type NewMail } from './outbox.ts';
import { mailTransport } from './transport.ts';
import { startWorker } from './worker.ts';

const mail = (more: Partial<NewMail> = {}): NewMail => ({
  kind: 'upload-rejected',
  subjectKey: 'one',
  recipient: 'maker@example.org',
  thread: 'bookworm/hello',
  subject: 'hello_1.0_source.changes REJECTED',
  body: 'Grüße: it was not signed.\n',
  headers: { 'X-Debian-Package': 'hello' },
  ...more,
});
const header = (text: string, name: string): string | undefined =>
  new RegExp(`^${name}:\\s+(\\S.*)$`, 'mi').exec(text)?.[1];

async function subjects(garage: TestGarage): Promise<string[]> {
  const { rows } = await garage.pool.query<{ subject: string }>('select subject from mails order by id');
  return rows.map(({ subject }) => subject);
}

describe('without an SMTP server', async () => {
  const garage = await openTestGarage();
  afterAll(() => garage.dispose());
  const readMail = async (name: string): Promise<string> =>
    readFile(path.join(garage.home.mail, name), 'utf8');

  test('mails become files; the same told again is one mail; one package makes one thread', async () => {
    await queueMail(garage.pool, mail());
    await queueMail(garage.pool, mail({ subject: 'told again' }));
    await queueMail(
      garage.pool,
      mail({ subjectKey: 'two', subject: 'hello_1.1_source.changes ACCEPTED into devel' }),
    );
    expect(await deliverMails(garage)).toEqual({ sent: 2, failed: 0 });
    expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 0 });
    const names = await namesIn(garage.home.mail);
    expect(names).toEqual([
      '1-hello_1.0_source.changes-REJECTED.eml',
      expect.stringMatching(/^\d+-hello_1\.1_source\.changes-ACCEPTED-into-devel\.eml$/),
    ]);
    const [first, second] = await Promise.all(names.map(readMail));
    expect(first).toContain('X-Debian-Package: hello\n');
    expect(first).toContain('Auto-Submitted: auto-generated\n');
    expect(first).toContain('Precedence: bulk\n');
    expect(header(first!, 'To')).toBe('maker@example.org');
    expect(header(first!, 'References')).toBe(header(second!, 'References'));
    expect(header(first!, 'Message-ID')).not.toBe(header(second!, 'Message-ID'));
  });

  test('a crash after the file was written makes the same file again, not two', async () => {
    await queueMail(garage.pool, mail({ subjectKey: 'crash' }));
    const [id] = await unsentMails(garage);
    const send = await mailTransport(garage);
    const before = (await namesIn(garage.home.mail)).length;
    const crash = deliverMail(garage, id!, async (each) => {
      await send(each);
      throw new Error('killed');
    });
    await expect(crash).rejects.toThrow('killed');
    const name = (await namesIn(garage.home.mail)).find((each) => each.startsWith(`${id!}-`))!;
    const messageId = header(await readMail(name), 'Message-ID');
    expect(messageId).toMatch(/^<upload-rejected\./);
    expect(await deliverMails(garage)).toMatchObject({ sent: 1 });
    expect(await namesIn(garage.home.mail)).toHaveLength(before + 1);
    expect(header(await readMail(name), 'Message-ID')).toBe(messageId);
  });

  test('no text of an upload starts a header of its own', async () => {
    const evil = 'x\r\nBcc: all@example.org\n\nspam';
    await queueMail(
      garage.pool,
      mail({ subjectKey: 'evil', subject: evil, headers: { 'X-Debian-Package': evil } }),
    );
    const [id] = await unsentMails(garage);
    await deliverMails(garage);
    const name = (await namesIn(garage.home.mail)).find((each) => each.startsWith(`${id!}-`))!;
    expect(header(await readMail(name), 'Bcc')).toBeUndefined();
  });

  test('a change that is rolled back tells nobody', async () => {
    const before = await subjects(garage);
    const change = transaction(garage.pool, async (client) => {
      await queueMail(client, mail({ subjectKey: 'rolled back' }));
      throw new Error('no');
    });
    await expect(change).rejects.toThrow('no');
    expect(await subjects(garage)).toEqual(before);
  });
});

describe('with an SMTP server', async () => {
  const smtp = await SmtpServer.start();
  const garage = await openTestGarage({
    garage: { mail: { from: 'builder@example.org', smtp: { host: '127.0.0.1', port: smtp.port } } },
  });
  garage.log.level = 'silent';
  afterAll(async () => {
    await garage.dispose();
    await smtp.stop();
  });

  test('the worker sends, and tries again after the server was busy', async () => {
    smtp.isBusy = true;
    await queueMail(garage.pool, mail());
    expect(await deliverMails(garage)).toEqual({ sent: 0, failed: 1 });
    const worker = await startWorker(garage);
    try {
      const attempts = async (): Promise<boolean> => {
        const sql = 'select 1 from graphile_worker.jobs where attempts > 0 and last_error is not null';
        return (await garage.pool.query(sql)).rowCount === 1;
      };
      await waitFor('a failed try', attempts);
      await worker.sweep(); // must not put a second job beside the waiting one
      smtp.isBusy = false;
      await waitFor('the mail', () => smtp.mails.length > 0);
      await waitFor('its mark', async () => (await unsentMails(garage)).length === 0);
    } finally {
      await worker.stop();
    }
    expect(smtp.mails).toHaveLength(1);
    expect(smtp.mails[0]).toMatchObject({ from: 'builder@example.org', to: ['maker@example.org'] });
    expect(header(smtp.mails[0]!.data, 'Message-ID')).toMatch(
      /^<upload-rejected\.[0-9a-f]{32}@example\.org>$/,
    );
  });

  test('two senders at once send one mail', async () => {
    await queueMail(garage.pool, mail({ subjectKey: 'both' }));
    const before = smtp.mails.length;
    await Promise.all([deliverMails(garage), deliverMails(garage)]);
    expect(smtp.mails).toHaveLength(before + 1);
  });
});
