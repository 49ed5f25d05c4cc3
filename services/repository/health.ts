/** /healthz and /metrics, for loopback only. */
import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Repository } from './context.ts';
import { identityStates } from './generations/shape.ts';
import { waitingSets } from './incoming/trouble.ts';
import { failingMirrors } from './mirror/rows.ts';
import { signingHealth } from './signing/health.ts';
import { failingTargets } from './sync/status.ts';
import { observeTargets } from './sync/metrics.ts';

/** Not yet listening. /healthz answers 503 when the database does not, or when nothing can be signed. */
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
      const { trouble, warnings } = signingHealth(repository.signer, repository.now());
      if (trouble) {
        return await reply.code(503).send({ status: 'failing', failing: ['signing'], signing: trouble });
      }
      const identity = (await identityStates(repository)).filter((each) => each.isHeld);
      const mirrors = await failingMirrors(repository.pool);
      const sets = await waitingSets(repository.pool);
      // These are troubles, and no reason to take the service out.
      return {
        status: 'ok',
        ...(targets.length > 0 ? { targets } : {}),
        ...(warnings.length > 0 ? { keys: warnings } : {}),
        ...(identity.length > 0 ? { identity } : {}),
        ...(mirrors.length > 0 ? { mirrors } : {}),
        ...(sets.length > 0 ? { sets } : {}),
      };
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
