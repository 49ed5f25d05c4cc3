import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

/** A database that takes longer than this is not there for whoever asks. */
const DATABASE_TIMEOUT_MS = 3_000;

/** `/healthz`: 200 while the database answers, 503 otherwise. */
export function healthRoutes(app: FastifyInstance): void {
  app.get('/healthz', async (request, reply) => {
    const late = new AbortController();
    const healthy = await Promise.race([
      app.web.garage.pool.query('select 1').then(
        () => true,
        (error: unknown) => {
          request.log.warn({ err: error }, 'the database does not answer');
          return false;
        },
      ),
      delay(DATABASE_TIMEOUT_MS, false, { signal: late.signal, ref: false }).catch(() => false),
    ]);
    late.abort();
    return reply
      .status(healthy ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status: healthy ? 'ok' : 'database-unreachable' });
  });
}
