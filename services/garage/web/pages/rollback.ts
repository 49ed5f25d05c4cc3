/** The way back to a generation: a page that says what it means, and the order. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { PackageDifference } from '../../../../shared/protocol/generation-history.ts';
import { previewRollback, requestRollback, type RollbackPreview } from '../../orders/rollback.ts';
import { HttpError, parse } from '../errors.ts';
import { csrfField, sendPage } from '../layout.ts';
import { html, type Markup } from '../markup.ts';
import { addressOf, differenceTable, generationOf, type At } from './generations.ts';

const orderForm = z.object({ seen: z.coerce.number().int().min(1).max(999_999_999) });
/** Sources that a page names. */
const NAMED = 10;

export function rollbackPages(app: FastifyInstance): void {
  const address = '/queues/:queue/:product/generations/:number/roll-back';
  app.get(address, (request, reply) => confirm(request, reply));
  app.post(address, (request, reply) => order(request, reply));
}

interface Asked extends At {
  newest: number;
  to: number;
  login: string;
  preview: RollbackPreview;
}

/** What is asked for, by whom; throws what a page says when it cannot be. */
async function rollbackOf(request: FastifyRequest): Promise<Asked> {
  const { row, ...at } = await generationOf(request);
  const login = request.account?.login;
  if (login === undefined) {
    throw new HttpError(403, 'not-signed-in', 'Only maintainers and admins roll back', {
      hint: 'Sign in first.',
    });
  }
  const newest = at.newest ?? row.number;
  const wanted = { ...at, from: newest, to: row.number };
  const preview = await previewRollback(request.server.web.garage, login, wanted).catch((error: unknown) => {
    if (error instanceof AppError) throw new HttpError(409, error.code, error.message);
    throw error;
  });
  return { ...at, newest, to: row.number, login, preview };
}

async function confirm(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const asked = await rollbackOf(request);
  const { preview, to, newest } = asked;
  return sendPage(request, reply, {
    title: `Roll ${asked.queue}/${asked.product} back to generation ${String(to)}?`,
    body: html`<p class="lead">
        What generation ${String(to)} held becomes a new generation after ${String(newest)}. Clients would
        see:
      </p>
      ${differenceTable(preview.differences, preview.isTooMuch)} ${downgradeNote(preview)}
      ${obstacle(preview) ?? form(reply, asked)}`,
  });
}

function isLost(each: PackageDifference): boolean {
  return each.kind !== 'source' && (each.change === 'downgraded' || each.change === 'removed');
}

function downgradeNote({ differences }: RollbackPreview): Markup | null {
  if (!differences.some(isLost)) return null;
  return html`<p>
    apt neither downgrades nor removes by itself: who has installed one of these keeps it until a newer
    version comes, or says <code>apt install PACKAGE=VERSION</code>.
  </p>`;
}

function obstacle({ differences, denied, isTooMuch }: RollbackPreview): Markup | null {
  if (isTooMuch) {
    return html`<p class="notice warn">
      This is more than a page compares: an admin uses autobuilder rollback.
    </p>`;
  }
  if (differences.length === 0) {
    return html`<p class="notice warn">The queue holds just that already: there is nothing to roll back.</p>`;
  }
  if (denied.length === 0) return null;
  return html`<p class="notice warn">
    You do not maintain ${denied.slice(0, NAMED).join(', ')}${denied.length > NAMED && ' and others'}, which
    this would change too. An admin can do it.
  </p>`;
}

function form(reply: FastifyReply, asked: Asked): Markup {
  return html`<form method="post" action="${addressOf(asked)}/generations/${String(asked.to)}/roll-back">
    ${csrfField(reply)} <input type="hidden" name="seen" value="${String(asked.newest)}" />
    <button type="submit">Roll back to generation ${String(asked.to)}</button>
    <a href="${addressOf(asked)}/generations">Leave it</a>
  </form>`;
}

/** Writes the order; the repository carries it out and says on the queue's page what became of it. */
async function order(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { seen } = parse(
    orderForm,
    request.body,
    new HttpError(400, 'bad-request', 'This is not a roll-back'),
  );
  const { preview, to, login, queue, product } = await rollbackOf(request);
  if (preview.denied.length > 0) {
    const first = preview.denied.slice(0, NAMED).join(', ');
    throw new HttpError(403, 'not-maintainer', `You may not change ${first} in ${product}`);
  }
  await requestRollback(request.server.web.garage, { queue, product, to, seen, requestedBy: login });
  return reply.redirect(`/queues/${queue}/${product}`, 303);
}
