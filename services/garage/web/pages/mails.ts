/** Mails, for admins: addresses and texts are nobody else's. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { findMail, listMails, MAIL_STATUSES, retryMails, type MailItem } from '../../mail/mails.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { HttpError, notFound, parse } from '../errors.ts';
import { badge, time } from '../format.ts';
import { csrfField, sendPage } from '../layout.ts';
import { html } from '../markup.ts';
import { moreLink, PAGE_ROWS, slice } from '../paging.ts';
import { facts, table, type Column } from '../table.ts';
import { rowId } from './builds/ids.ts';

const listQuery = z.object({ before: rowId.optional(), status: z.enum(MAIL_STATUSES).optional() });
const FILTERS = [
  [undefined, 'All'],
  ['queued', 'Waiting'],
  ['failed', 'Failed'],
  ['sent', 'Sent'],
] as const;

export function mailPages(app: FastifyInstance): void {
  app.get('/mails', async (request, reply) => {
    requireAdmin(request);
    const { before, status } = parse(listQuery, request.query, notFound('page'));
    const found = await listMails(app.web.garage.pool, { before, status }, PAGE_ROWS + 1);
    const { rows, last } = slice(found);
    return sendPage(request, reply, {
      title: 'Mails',
      body: html`<p class="filters">
          ${FILTERS.map(
            ([value, label]) =>
              html`<a
                href="${value === undefined ? '/mails' : `/mails?status=${value}`}"
                ${status === value && html`aria-current="true"`}
                >${label}</a
              > `,
          )}
        </p>
        ${table('Mails, newest first', COLUMNS, rows, 'There is no mail here.')}
        ${last && moreLink('/mails', { before: last.id, status }, 'Older mails')}`,
    });
  });
  mailPage(app);
  retryRoute(app);
}

function mailPage(app: FastifyInstance): void {
  app.get('/mails/:id', async (request, reply) => {
    requireAdmin(request);
    const { id } = parse(z.object({ id: rowId }), request.params, notFound('mail'));
    const mail = await findMail(app.web.garage.pool, id);
    if (!mail) throw notFound('mail');
    return sendPage(request, reply, {
      title: mail.subject,
      body: html`${facts([
          ['Status', badge(mail.status)],
          ['To', mail.recipient],
          ['Written', time(mail.createdAt)],
          ['Sent', mail.sentAt && time(mail.sentAt)],
          ['Tries', mail.tries],
          ['Last try', mail.lastTryAt && time(mail.lastTryAt)],
          ['Last error', mail.lastError],
        ])}
        ${
          mail.status !== 'sent' &&
          html`<form method="post" action="/mails/${mail.id}/retry">
            ${csrfField(reply)}
            <button type="submit">Try again now</button>
          </form>`
        }
        <pre class="log" tabindex="0" role="region" aria-label="Text of the mail">${mail.body}</pre>`,
    });
  });
}

function retryRoute(app: FastifyInstance): void {
  app.post('/mails/:id/retry', async (request, reply) => {
    requireAdmin(request);
    const { id } = parse(z.object({ id: rowId }), request.params, notFound('mail'));
    try {
      await retryMails(app.web.garage, id);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'mail-unknown') throw notFound('mail');
      throw new HttpError(409, error.code, error.message);
    }
    return reply.redirect(`/mails/${id}`, 303);
  });
}

function requireAdmin(request: FastifyRequest): void {
  if (request.account?.admin) return;
  const hint = request.account ? 'Ask an administrator.' : 'Sign in as one.';
  throw new HttpError(403, 'admins-only', 'Mails are for administrators', { hint });
}

const COLUMNS: Column<MailItem>[] = [
  { head: 'Subject', cell: (mail) => html`<a href="/mails/${mail.id}">${mail.subject}</a>` },
  { head: 'To', cell: (mail) => mail.recipient },
  { head: 'Status', cell: (mail) => badge(mail.status) },
  { head: 'Tries', cell: (mail) => mail.tries, numeric: true },
  { head: 'Last error', cell: (mail) => mail.lastError },
  { head: 'Written', cell: (mail) => time(mail.createdAt) },
];
