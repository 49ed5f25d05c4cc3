/** /healthz and /metrics, for loopback only. */
import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Repository } from './context.ts';

/** Not yet listening. /healthz answers 503 when the database does not. */
export function buildHealthServer(repository: Repository): FastifyInstance {
  const logger: FastifyBaseLogger = repository.log;
  const server = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  });
  server.get('/healthz', async (_request, reply) => {
    try {
      await repository.pool.query('select 1');
      return { status: 'ok' };
    } catch (error) {
      repository.log.warn({ err: error }, 'the database does not answer');
      return reply.code(503).send({ status: 'failing', failing: ['database'] });
    }
  });
  server.get('/metrics', async (_request, reply) => {
    void reply.type(repository.metrics.registry.contentType);
    return repository.metrics.registry.metrics();
  });
  return server;
}
