/**
 * The outbox: a mail is a row written in the transaction of the change it tells of, so there is never a
 * change without its mail or a mail without its change. Sending comes later (deliver.ts) and may fail as
 * often as it likes.
 */
import { createHash } from 'node:crypto';
import type { Queryable } from '../../../shared/database/pool.ts';

/** Longest subject; a file name has at most 255 bytes and stands in it once. */
const MAX_SUBJECT_LENGTH = 400;
/** A report is short; logs are linked, never included. */
const MAX_BODY_LENGTH = 100_000;

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

/** Writes a mail into the outbox; part of the caller's transaction. Telling the same again is no error. */
export async function queueMail(database: Queryable, mail: NewMail): Promise<void> {
  await database.query(
    `insert into mails (kind, subject_key, recipient, message_id, reference_id, subject, body, headers)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (kind, subject_key, recipient) do nothing`,
    [
      mail.kind,
      mail.subjectKey,
      mail.recipient,
      `${mail.kind}.${digest(mail.kind, mail.subjectKey, mail.recipient)}`,
      `thread.${digest(mail.thread)}`,
      oneLine(mail.subject).slice(0, MAX_SUBJECT_LENGTH),
      mail.body.slice(0, MAX_BODY_LENGTH),
      JSON.stringify(headersOf(mail)),
    ],
  );
}

function headersOf(mail: NewMail): Record<string, string> {
  const own = Object.entries(mail.headers ?? {}).map(([name, value]) => [name, oneLine(value)]);
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

/** File names may hold anything but `/`; nothing of them may start a header line of its own. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}
