import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { mailHealth } from '../../mail/mails.ts';

/** A database that takes longer than this is not there for whoever asks. */
const DATABASE_TIMEOUT_MS = 3_000;

/**
 * `/healthz`: 200 while the database answers, 503 otherwise. Mail that is late or failed is told beside: it is a
 * trouble, and no reason to take the service out.
 */
export function healthRoutes(app: FastifyInstance): void {
  app.get('/healthz', async (request, reply) => {
    const late = new AbortController();
    const healthy = await Promise.race([
      mailHealth(app.web.garage.pool).then(
        (mail) => mail,
        (error: unknown) => {
          request.log.warn({ err: error }, 'the database does not answer');
          return null;
        },
      ),
      delay(DATABASE_TIMEOUT_MS, null, { signal: late.signal, ref: false }).catch(() => null),
    ]);
    late.abort();
    return reply
      .status(healthy ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({
        status: healthy ? 'ok' : 'database-unreachable',
        ...(healthy && healthy.late + healthy.failed > 0 ? { mail: healthy } : {}),
      });
  });
}
