/** What the tests of mail share: a real SMTP server with a garage that sends to it. */
import { afterAll, afterEach } from 'vitest';
import type { NewMail } from '../../services/garage/mail/outbox.ts';
import { openTestGarage, type TestGarage, type TestGarageOverrides } from '../support/garage.ts';
import { startRealSmtp, type RealSmtp, type RealSmtpOptions } from '../support/real-smtp-server.ts';

type Smtp = NonNullable<NonNullable<NonNullable<TestGarageOverrides['garage']>['mail']>['smtp']>;

/** Ended after each test, the newest first. */
export const open: { dispose(): Promise<void> }[] = [];
const disposeAll = async (): Promise<void> => {
  for (const each of open.splice(0).toReversed()) await each.dispose();
};
afterEach(disposeAll);
afterAll(disposeAll);

export async function start(
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
export const mail = (more: Partial<NewMail> = {}): NewMail => ({
  kind: 'upload-rejected',
  subjectKey: `mail ${String((mails += 1))}`,
  recipient: 'uploader@example.org',
  thread: 'bookworm/hello',
  subject: 'hello_1.0_source.changes REJECTED',
  body: 'Grüße: it was not signed.\n.\nA line of a dot does not end it.\n',
  headers: { 'X-Debian-Package': 'hello' },
  ...more,
});

export const header = (text: string, name: string): string | undefined =>
  new RegExp(`^${name}:\\s+(\\S.*(?:\\n[ \\t].*)*)$`, 'mi').exec(text)?.[1]?.replaceAll(/\n[ \t]/g, ' ');
