/** `autobuilder mail ...` */
import { AppError } from '../../../shared/errors/app-error.ts';
import { findMail, listMails, MAIL_STATUSES, retryMails, type MailStatus } from '../mail/mails.ts';
import { DEFAULT_LIMIT, readId, readLimit } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { cellText, printFacts, printJson, printTable } from '../../../shared/cli/output.ts';

interface ListOptions {
  status?: string;
  limit?: string;
  json?: boolean;
}

export function addMailCommands(cli: Cli): void {
  const mail = cli.program.command('mail').description('mails that were sent, wait, or could not be sent');
  mail
    .command('list')
    .description('mails, the newest first')
    .option('--status <status>', `only these: ${MAIL_STATUSES.join(', ')}`)
    .option('--limit <n>', 'how many', String(DEFAULT_LIMIT))
    .option('--json', 'as JSON')
    .action((options: ListOptions) => list(cli, options));
  mail
    .command('show')
    .description('one mail with its text and why it was not sent')
    .argument('<id>')
    .option('--json', 'as JSON')
    .action((id: string, options: { json?: boolean }) => show(cli, readId(id), options.json ?? false));
  mail
    .command('retry')
    .description('try a mail that waits or failed again at once')
    .argument('[id]')
    .option('--failed', 'all that failed')
    .action((id: string | undefined, options: { failed?: boolean }) => retry(cli, id, options.failed));
}

function readStatus(text: string | undefined): MailStatus | undefined {
  if (text === undefined) return undefined;
  const status = MAIL_STATUSES.find((each) => each === text);
  if (status) return status;
  throw new AppError('status-invalid', `--status is one of ${MAIL_STATUSES.join(', ')}, not '${text}'`);
}

async function list(cli: Cli, options: ListOptions): Promise<void> {
  const status = readStatus(options.status);
  const mails = await withGarage(({ pool }) => listMails(pool, { status }, readLimit(options.limit)));
  if (options.json) return printJson(cli.output, mails);
  const rows = mails.map((each) => [
    ...[each.id, each.status, each.recipient, each.subject, each.createdAt, each.tries, each.lastError],
  ]);
  const headings = ['ID', 'STATUS', 'TO', 'SUBJECT', 'WRITTEN', 'TRIES', 'LAST ERROR'];
  printTable(cli.output, headings, rows, 'There are no mails');
}

async function show(cli: Cli, id: string, json: boolean): Promise<void> {
  const mail = await withGarage(({ pool }) => findMail(pool, id));
  if (!mail) throw new AppError('mail-unknown', `There is no mail ${id}`);
  if (json) return printJson(cli.output, mail);
  const { body, headers, ...facts } = mail;
  printFacts(cli.output, {
    ...{ id: facts.id, status: facts.status, to: facts.recipient, subject: facts.subject, kind: facts.kind },
    ...{ written: facts.createdAt, sent: facts.sentAt, tries: facts.tries, 'last try': facts.lastTryAt },
    ...{ 'last error': facts.lastError, 'Message-ID': facts.messageId },
    ...headers,
  });
  cli.output.out(`\n${body.split('\n').map(cellText).join('\n')}`);
}

async function retry(cli: Cli, id: string | undefined, failed = false): Promise<void> {
  if ((id === undefined) !== failed) {
    throw new AppError('mail-not-named', 'Say which mail, or --failed', {
      hint: 'autobuilder mail list --status failed shows them.',
    });
  }
  const count = await withGarage((garage) => retryMails(garage, id === undefined ? null : readId(id)));
  cli.output.err(`${String(count)} ${count === 1 ? 'mail is' : 'mails are'} tried again now\n`);
}
