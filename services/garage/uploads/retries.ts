/**
 * Uploads that fail by our fault: the first tries follow each other at the rounds' own pace, later ones wait
 * longer and longer, and in the end admins are told and nothing more is tried until one of them says so
 * (`buildme --retry`). The files stay where they are all the time.
 */
import { transaction, type Queryable } from '../../../shared/database/pool.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';
import type { Garage } from '../context.ts';
import { queueMail } from '../mail/outbox.ts';
import type { UploadRow } from './upload-row.ts';

/** A hiccup is over in a few rounds; what takes longer takes an admin, who may need a night's sleep. */
const WAIT_S = [0, 0, 0, 0, 60, 120, 300, 900, 1800, 3600, 3600, 3600, 3600] as const;
/** After this many failures nothing is tried by itself any more: some five hours. */
export const MAX_FAILURES = WAIT_S.length + 1;
const MAX_MESSAGE_LENGTH = 1_000;

export interface Failure {
  failures: number;
  message: string;
  /** null: given up until a person says so. */
  retryAt: Date | null;
}

/** Counts a failure and says when the next try is; the last one tells admins, once. */
export async function noteFailure(
  garage: Garage,
  upload: UploadRow,
  error: unknown,
  now: Date,
): Promise<Failure> {
  const message = messageOf(error).slice(0, MAX_MESSAGE_LENGTH);
  return transaction(garage.pool, async (client) => {
    const failures = upload.failures + 1;
    const waitS = WAIT_S[failures - 1];
    const retryAt = waitS === undefined ? null : new Date(now.getTime() + waitS * 1000);
    await client.query(
      'update uploads set failures = $2, last_failure = $3, retry_at = $4 where id = $1 and failures = $5',
      [upload.id, failures, message, retryAt, upload.failures],
    );
    if (retryAt === null) await tellAdmins(client, garage, upload, { failures, message });
    return { failures, message, retryAt };
  });
}

/** True while an upload is not to be tried: its wait is not over, or its tries are used up. */
export function isHeld(upload: UploadRow, now: Date): boolean {
  if (upload.failures >= MAX_FAILURES) return true;
  return upload.retryAt !== null && upload.retryAt.getTime() > now.getTime();
}

/** Forgets the failures of unfinished uploads, of one source or of all; returns how many there were. */
export async function retryUploads(database: Queryable, source: string | null): Promise<number> {
  const { rowCount } = await database.query(
    `update uploads set failures = 0, retry_at = null
      where settled_at is null and failures > 0
        and ($1::text is null or source = $1 or trigger_file like $1 || '\\_%')`,
    [source],
  );
  return rowCount ?? 0;
}

async function tellAdmins(
  database: Queryable,
  garage: Garage,
  upload: UploadRow,
  { failures, message }: Omit<Failure, 'retryAt'>,
): Promise<void> {
  const { rows } = await database.query<{ email: string }>(
    'select email from accounts where admin and disabled_at is null order by id',
  );
  const link = `${garage.config.url.replace(/\/$/, '')}/uploads/${upload.id}`;
  for (const { email } of rows) {
    await queueMail(database, {
      kind: 'upload-stuck',
      // A later series of failures is news again.
      subjectKey: `${upload.id}.${String(Date.now())}`,
      recipient: email,
      thread: `${upload.product}/${upload.trigger}`,
      subject: `${upload.trigger} is STUCK after ${String(failures)} tries`,
      body:
        `${upload.trigger} of ${upload.login} for ${upload.product} could not be finished, by no fault of its ` +
        `uploader: ${message}\n\nNothing is tried any more. Mend what is wrong, then run: buildme --retry\n\n${link}\n`,
    });
  }
}
