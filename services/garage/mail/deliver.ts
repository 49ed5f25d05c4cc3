/**
 * Sends what stands in the outbox. A mail server that is down delays mail and nothing else.
 *
 * **Guarantees.** A row is sent by one sender at a time (its row lock). It is marked the moment the server has
 * taken it, on another connection when the first one broke meanwhile; a process that is killed between the
 * server's answer and that mark sends the mail again under the same Message-ID (into a folder: the same file).
 * What the server refuses for good is `failed`, with its words; everything else stays `queued`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { transaction, type Client } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import { readFailure, type MailFailure } from './failure.ts';
import { mailTransport, type Send, type StoredMail } from './transport.ts';

/** Mails that one sweep sends; the next goes on. */
const MAX_MAILS_PER_SWEEP = 500;
/** A sweep that has failed this often in a row has met a server that is down. */
const MAX_FAILURES_IN_A_ROW = 3;
/** For a database that restarts while a server takes a mail; longer outages may make a second copy. */
const MARK_WAITS_MS = [100, 500, 2_000, 5_000, 10_000] as const;

/** What a sweep did. */
export interface Delivery {
  sent: number;
  failed: number;
}

/** `refused`: the server never takes it; `none`: it was sent, or somebody is sending it now. */
export type Delivered = 'sent' | 'refused' | 'none';

/** Ids of mails that wait, the oldest first; at most one sweep's worth. */
export async function unsentMails(garage: Garage): Promise<string[]> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `select id from mails where status = 'queued' order by id limit $1`,
    [MAX_MAILS_PER_SWEEP],
  );
  return rows.map((row) => row.id);
}

/** Sends one mail. Throws what the transport throws when it is to be tried again; the row says why. */
export async function deliverMail(garage: Garage, id: string, send?: Send): Promise<Delivered> {
  let isTaken = false;
  let problem: { error: unknown; failure: MailFailure } | null = null;
  try {
    await transaction(garage.pool, async (client) => {
      const mail = await claim(client, id);
      if (!mail) return;
      try {
        await (send ?? (await mailTransport(garage)))(mail);
      } catch (error) {
        problem = { error, failure: readFailure(error) };
        await noteFailure(client, id, problem.failure);
        return;
      }
      isTaken = true;
      await markSent(client, id);
    });
  } catch (error) {
    if (!isTaken) throw error;
    await markSentAnew(garage, id);
  }
  return isTaken ? 'sent' : outcomeOf(problem);
}

function outcomeOf(problem: { error: unknown; failure: MailFailure } | null): Delivered {
  if (problem === null) return 'none';
  if (problem.failure.isFinal) return 'refused';
  throw problem.error;
}

async function claim(client: Client, id: string): Promise<StoredMail | undefined> {
  const { rows } = await client.query<StoredMail>(
    `select id, recipient, message_id, reference_id, subject, body, headers, created_at
       from mails where id = $1 and status = 'queued' for update skip locked`,
    [id],
  );
  return rows[0];
}

const MARK = `update mails
    set status = 'sent', sent_at = now(), tries = tries + 1, last_try_at = now(), last_error = null, error_kind = null
  where id = $1 and status = 'queued'`;

async function markSent(client: Client, id: string): Promise<void> {
  await client.query(MARK, [id]);
}

/** The server has it, but the transaction that was to say so is lost with its connection. */
async function markSentAnew(garage: Garage, id: string): Promise<void> {
  for (const waitMs of MARK_WAITS_MS) {
    try {
      await garage.pool.query(MARK, [id]);
      return;
    } catch (error) {
      garage.log.warn({ err: error, mail: id }, 'a mail that was sent could not be marked yet');
      await delay(waitMs);
    }
  }
  garage.log.error({ mail: id }, 'a mail was sent and could not be marked; it will be sent again');
}

async function noteFailure(client: Client, id: string, failure: MailFailure): Promise<void> {
  await client.query(
    `update mails set status = $2, tries = tries + 1, last_try_at = now(), last_error = $3, error_kind = $4
      where id = $1 and status = 'queued'`,
    [id, failure.isFinal ? 'failed' : 'queued', failure.message, failure.kind],
  );
}

/** Sends every waiting mail directly: for the command line, where no worker runs. Never throws for a mail. */
export async function deliverMails(garage: Garage): Promise<Delivery> {
  const delivery: Delivery = { sent: 0, failed: 0 };
  let failuresInARow = 0;
  for (const id of await unsentMails(garage)) {
    if (failuresInARow >= MAX_FAILURES_IN_A_ROW) break;
    try {
      const outcome = await deliverMail(garage, id);
      if (outcome === 'sent') delivery.sent += 1;
      if (outcome === 'refused') delivery.failed += 1;
      failuresInARow = 0;
    } catch (error) {
      delivery.failed += 1;
      failuresInARow += 1;
      const reason = readFailure(error).message;
      garage.log.warn({ mail: id, reason }, 'mail not sent; it is tried again');
    }
  }
  return delivery;
}
