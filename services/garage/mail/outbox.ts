/**
 * The outbox: a mail is a row written in the transaction of the change it tells of, so there is never a
 * change without its mail or a mail without its change. Sending comes later (deliver.ts) and may fail as
 * often as it likes.
 */
import { createHash } from 'node:crypto';
import type { Queryable } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';

/** Longest subject; a file name has at most 255 bytes and stands in it once. */
const MAX_SUBJECT_LENGTH = 400;
/** A report is short; logs are linked, never included. */
const MAX_BODY_LENGTH = 100_000;
/** One header line of RFC 5322 has at most 998; longer ones would be folded and are of no use. */
const MAX_HEADER_LENGTH = 400;

export interface NewMail {
  /** What happened: `upload-accepted`, `upload-rejected`, `build-report`, ... */
  kind: string;
  /** To what: an id. One recipient is told of (kind, subjectKey) once, however often a step is repeated. */
  subjectKey: string;
  recipient: string;
  /** `<product>/<source>`: mails of one package make one thread. */
  thread: string;
  subject: string;
  /** Plain text. */
  body: string;
  /** Beside those every mail has; `X-Debian-Package` among them. */
  headers?: Record<string, string>;
}

/**
 * Writes a mail into the outbox; part of the caller's transaction. Telling the same again is no error, and an
 * address that nobody has verified is told nothing (`accounts.email_verified_at`).
 */
export async function queueMail(database: Queryable, mail: NewMail): Promise<void> {
  await database.query(
    `insert into mails (kind, subject_key, recipient, message_id, reference_id, subject, body, headers)
     select $1, $2, $3, $4, $5, $6, $7, $8
      where not exists (select 1 from accounts where lower(email) = lower($3) and email_verified_at is null)
     on conflict (kind, subject_key, recipient) do nothing`,
    [
      mail.kind,
      mail.subjectKey,
      mail.recipient,
      `${mail.kind}.${digest(mail.kind, mail.subjectKey, mail.recipient)}`,
      `thread.${digest(mail.thread)}`,
      cut(oneLine(mail.subject), MAX_SUBJECT_LENGTH),
      cut(plainText(mail.body), MAX_BODY_LENGTH),
      JSON.stringify(headersOf(mail)),
    ],
  );
}

/** Which of the configured lists hears of it. */
export type ListName = 'accepted' | 'rejected' | 'result';

/** Tells the mail's own recipient, and the lists that the configuration names for the product. */
export async function tell(
  garage: Pick<Garage, 'config'>,
  database: Queryable,
  mail: NewMail,
  list: ListName,
  product: string,
): Promise<void> {
  const { products, ...lists } = garage.config.mail.lists;
  const listed = [...lists[list], ...(products[product]?.[list] ?? [])];
  for (const recipient of new Set([mail.recipient, ...listed])) {
    await queueMail(database, { ...mail, recipient });
  }
}

function headersOf(mail: NewMail): Record<string, string> {
  const own = Object.entries(mail.headers ?? {}).map(([name, value]) => [
    name,
    cut(oneLine(value), MAX_HEADER_LENGTH),
  ]);
  return {
    ...(Object.fromEntries(own) as Record<string, string>),
    'Auto-Submitted': 'auto-generated',
    Precedence: 'bulk',
  };
}

/** The left part of a Message-ID; the sender's domain is put behind it when it is sent. */
function digest(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** Characters that turn the reading direction around: with them a name can look like another. */
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** File names may hold anything but `/`; nothing of them may start a header line of its own. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(DIRECTIONS, '')
    .trim();
}

/** Line ends and tabs are all the control characters that a text has. */
function plainText(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, '').replace(DIRECTIONS, '');
}

/** Cut, and still text: half a character would be refused by the database. */
function cut(text: string, length: number): string {
  return text.slice(0, length).toWellFormed();
}
