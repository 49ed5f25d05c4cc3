import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { productName, queueName, sourceName } from '../../../../shared/protocol/names.ts';
import { requestPromotion } from '../../orders/promote.ts';
import { HttpError, parse } from '../errors.ts';
import { mayPromote, nextQueue } from '../repository.ts';

const form = z.object({
  product: productName,
  source: sourceName,
  version: z.string().min(1).max(200),
  from: queueName,
  to: queueName,
});

/** The promote button: writes an order; the repository carries it out and says on the queue page what became of it. */
export function promoteRoute(app: FastifyInstance): void {
  app.post('/promote', async (request, reply) => {
    const { garage } = app.web;
    const wrong = new HttpError(400, 'bad-request', 'This is not a promotion');
    const order = parse(form, request.body, wrong);
    if (nextQueue(garage.common.queues, order.from) !== order.to) throw wrong;
    const login = request.account?.login;
    if (login === undefined || !(await mayPromote(garage.pool, login, order.product, order.source))) {
      throw new HttpError(403, 'not-maintainer', `You may not promote ${order.source} in ${order.product}`, {
        hint:
          login === undefined
            ? 'Sign in first.'
            : 'Its maintainers and admins may; an admin adds maintainers.',
      });
    }
    try {
      await requestPromotion(garage, { ...order, requestedBy: login });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new HttpError(
        409,
        error.code,
        error.message,
        error.hint === undefined ? {} : { hint: error.hint },
      );
    }
    return reply.redirect(`/queues/${order.from}/${order.product}`, 303);
  });
}
