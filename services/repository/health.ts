/** /healthz and /metrics, for loopback only. */
import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Repository } from './context.ts';
import { failingTargets } from './sync/status.ts';
import { observeTargets } from './sync/metrics.ts';

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
      const targets = await failingTargets(repository.pool);
      // A target that fails is a trouble, and no reason to take the service out.
      return { status: 'ok', ...(targets.length > 0 ? { targets } : {}) };
    } catch (error) {
      repository.log.warn({ err: error }, 'the database does not answer');
      return reply.code(503).send({ status: 'failing', failing: ['database'] });
    }
  });
  server.get('/metrics', async (_request, reply) => {
    await observeTargets(repository.pool, repository.metrics).catch((error: unknown) =>
      repository.log.warn({ err: error }, 'live targets could not be read'),
    );
    void reply.type(repository.metrics.registry.contentType);
    return repository.metrics.registry.metrics();
  });
  return server;
}
