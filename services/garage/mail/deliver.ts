/**
 * Sends what stands in the outbox. A mail server that is down delays mail and nothing else.
 *
 * **Guarantees.** A row is sent by one sender at a time (its row lock), and is marked only after the server
 * took it: a crash between the two sends it again under the same Message-ID (into a folder: the same file).
 */
import { messageOf } from '../../../shared/errors/app-error.ts';
import { transaction } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import { mailTransport, type Send, type StoredMail } from './transport.ts';

/** Mails that one sweep sends; the next goes on. */
const MAX_MAILS_PER_SWEEP = 500;
/** A sweep that has failed this often in a row has met a server that is down. */
const MAX_FAILURES_IN_A_ROW = 3;

/** What a sweep did. */
export interface Delivery {
  sent: number;
  failed: number;
}

/** Ids of mails that are not sent yet, the oldest first; at most one sweep's worth. */
export async function unsentMails(garage: Garage): Promise<string[]> {
  const { rows } = await garage.pool.query<{ id: string }>(
    'select id from mails where sent_at is null order by id limit $1',
    [MAX_MAILS_PER_SWEEP],
  );
  return rows.map((row) => row.id);
}

/** Sends one mail, unless it was sent or somebody is sending it now. Throws what the transport throws. */
export async function deliverMail(garage: Garage, id: string, send?: Send): Promise<boolean> {
  const transport = send ?? (await mailTransport(garage));
  return transaction(garage.pool, async (client) => {
    const { rows } = await client.query<StoredMail>(
      `select id, recipient, message_id, reference_id, subject, body, headers, created_at
         from mails where id = $1 and sent_at is null for update skip locked`,
      [id],
    );
    const [mail] = rows;
    if (!mail) return false;
    await transport(mail);
    await client.query('update mails set sent_at = now() where id = $1 and sent_at is null', [id]);
    return true;
  });
}

/** Sends every unsent mail directly: for the command line, where no worker runs. Never throws for a mail. */
export async function deliverMails(garage: Garage): Promise<Delivery> {
  const send = await mailTransport(garage);
  const delivery: Delivery = { sent: 0, failed: 0 };
  let failuresInARow = 0;
  for (const id of await unsentMails(garage)) {
    if (failuresInARow >= MAX_FAILURES_IN_A_ROW) break;
    try {
      if (await deliverMail(garage, id, send)) delivery.sent += 1;
      failuresInARow = 0;
    } catch (error) {
      delivery.failed += 1;
      failuresInARow += 1;
      garage.log.warn({ mail: id, reason: messageOf(error) }, 'mail not sent; it is tried again');
    }
  }
  return delivery;
}
