/** The outbox as admins see it: lists, one mail, another try. */
import type { Queryable } from '../../../shared/database/pool.ts';
import { wake } from '../../../shared/database/listen.ts';
import { transaction } from '../../../shared/database/pool.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import type { Garage } from '../context.ts';
import { jobKey } from './worker.ts';

export const MAIL_STATUSES = ['queued', 'sent', 'failed'] as const;
export type MailStatus = (typeof MAIL_STATUSES)[number];

export interface MailItem {
  id: string;
  kind: string;
  recipient: string;
  subject: string;
  status: MailStatus;
  tries: number;
  createdAt: Date;
  sentAt: Date | null;
  lastTryAt: Date | null;
  lastError: string | null;
}

export interface MailDetails extends MailItem {
  messageId: string;
  headers: Record<string, string>;
  body: string;
}

const COLUMNS = `id, kind, recipient, subject, status, tries, created_at as "createdAt", sent_at as "sentAt",
  last_try_at as "lastTryAt", last_error as "lastError"`;

export interface MailFilter {
  status?: MailStatus | undefined;
  /** Only mails older than this id. */
  before?: string | undefined;
}

/** The newest first. */
export async function listMails(
  database: Queryable,
  { status, before }: MailFilter,
  limit: number,
): Promise<MailItem[]> {
  const { rows } = await database.query<MailItem>(
    `select ${COLUMNS} from mails
      where ($1::text is null or status = $1) and ($2::bigint is null or id < $2) order by id desc limit $3`,
    [status ?? null, before ?? null, limit],
  );
  return rows;
}

/** Null for an id that is none. */
export async function findMail(database: Queryable, id: string): Promise<MailDetails | null> {
  const { rows } = await database.query<MailDetails>(
    `select ${COLUMNS}, message_id as "messageId", headers, body from mails where id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/**
 * Sends mails again at once: one, or with null every one that failed. Returns how many. Throws `mail-unknown`,
 * and `mail-sent` for one that the server has taken: nobody is told twice.
 */
export async function retryMails(garage: Garage, id: string | null): Promise<number> {
  if (id !== null) {
    const mail = await findMail(garage.pool, id);
    if (!mail) throw new AppError('mail-unknown', `There is no mail ${id}`);
    if (mail.status === 'sent') throw new AppError('mail-sent', `Mail ${id} has been sent`);
  }
  return transaction(garage.pool, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `update mails set status = 'queued', tries = 0
        where case when $1::bigint is null then status = 'failed' else id = $1 and status <> 'sent' end
        returning id`,
      [id],
    );
    await forgetJobs(
      client,
      rows.map((row) => row.id),
    );
    await wake(client, GARAGE_CHANNEL);
    return rows.length;
  });
}

/** The next sweep gives them new ones, without the waits of the old. */
async function forgetJobs(database: Queryable, ids: string[]): Promise<void> {
  const { rows } = await database.query<{ there: boolean }>(
    `select to_regprocedure('graphile_worker.remove_job(text)') is not null as there`,
  );
  if (!rows[0]?.there) return; // the service has never run
  for (const id of ids) await database.query('select graphile_worker.remove_job($1)', [jobKey(id)]);
}

/** A mail that waits longer than this is late: greylisting takes a quarter of an hour at most. */
const LATE = '30 minutes';
/** Failures that an admin has not looked at for so long are old news. */
const NEWS = '7 days';

export interface MailHealth {
  waiting: number;
  /** Of these, those that wait too long. */
  late: number;
  failed: number;
}

export async function mailHealth(database: Queryable): Promise<MailHealth> {
  const { rows } = await database.query<MailHealth>(
    `select count(*) filter (where status = 'queued')::int as waiting,
            count(*) filter (where status = 'queued' and created_at < now() - $1::interval)::int as late,
            count(*) filter (where status = 'failed' and created_at > now() - $2::interval)::int as failed
       from mails where status <> 'sent'`,
    [LATE, NEWS],
  );
  return rows[0] ?? { waiting: 0, late: 0, failed: 0 };
}
