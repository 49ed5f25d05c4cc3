/** Where mails go: an SMTP server when one is configured, otherwise a folder of .eml files. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import type { GarageConfig } from '../config.ts';
import type { Garage } from '../context.ts';

/** A server that does not answer in this time is down; the mail is tried again later. */
const SMTP_TIMEOUT_MS = 30_000;
/** Length of the readable part of an .eml's name. */
const MAX_SLUG_LENGTH = 60;

export interface StoredMail {
  id: string;
  recipient: string;
  message_id: string;
  reference_id: string;
  subject: string;
  body: string;
  headers: Record<string, string>;
  created_at: Date;
}

/** Sends one mail; resolves when the server (or the disk) has it, throws when it does not. */
export type Send = (mail: StoredMail) => Promise<void>;

/** The way that `config.mail` names. Files are read each time: a new password needs no restart. */
export async function mailTransport(garage: Garage): Promise<Send> {
  const { from, smtp } = garage.config.mail;
  const name = garage.common.name;
  if (!smtp) return (mail) => writeMail(garage.home.mail, mail, messageOptions(mail, name, from));
  const pass = smtp.passwordFile ? (await readFile(smtp.passwordFile, 'utf8')).trim() : undefined;
  const ca = smtp.caFile ? await readFile(smtp.caFile, 'utf8') : undefined;
  const transport = createTransport({
    ...{ host: smtp.host, port: smtp.port, secure: smtp.secure, ...starttlsOptions(smtp) },
    ...{
      connectionTimeout: SMTP_TIMEOUT_MS,
      greetingTimeout: SMTP_TIMEOUT_MS,
      socketTimeout: SMTP_TIMEOUT_MS,
    },
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(smtp.user === undefined ? {} : { auth: { user: smtp.user, pass } }),
  });
  return async (mail) => {
    try {
      await transport.sendMail(messageOptions(mail, name, from));
    } finally {
      transport.close();
    }
  };
}

type Smtp = NonNullable<GarageConfig['mail']['smtp']>;

/** A password goes over a wire only through TLS. */
function starttlsOptions({ starttls, user, host, secure }: Smtp): {
  requireTLS?: boolean;
  ignoreTLS?: boolean;
} {
  if (secure) return {};
  const isHere = ['localhost', '127.0.0.1', '::1'].includes(host);
  if (starttls === 'required' || (user !== undefined && !isHere)) return { requireTLS: true };
  return starttls === 'never' ? { ignoreTLS: true } : {};
}

function messageOptions(mail: StoredMail, name: string, from: string): SendMailOptions {
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const thread = `<${mail.reference_id}@${domain}>`;
  return {
    from: { name, address: from },
    to: { name: '', address: mail.recipient },
    subject: mail.subject,
    text: mail.body,
    date: mail.created_at,
    messageId: `<${mail.message_id}@${domain}>`,
    references: thread,
    inReplyTo: thread,
    headers: mail.headers,
    // Bodies are ours, but hold names from uploads: nothing in them may make nodemailer open a file or URL.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** The same mail always makes the same file, so a repetition after a crash replaces it by itself. */
async function writeMail(folder: string, mail: StoredMail, options: SendMailOptions): Promise<void> {
  const composer = createTransport({ streamTransport: true, buffer: true, newline: 'unix' });
  const { message } = await composer.sendMail(options);
  const slug = mail.subject
    .replaceAll(/[^A-Za-z0-9.+~_-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, MAX_SLUG_LENGTH);
  await writeFileDurably(path.join(folder, `${mail.id}-${slug || 'mail'}.eml`), message as Buffer);
}
