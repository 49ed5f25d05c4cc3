/** What /metrics tells. A registry for each server, so that several can be in one process. */
import type { FastifyInstance } from 'fastify';
import { mailHealth } from '../mail/mails.ts';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Counts and times every request by route (never by address: that has no bound). */
export function measure(app: FastifyInstance): void {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'autobuilder_garage_' });
  const requests = new Histogram({
    name: 'autobuilder_http_request_duration_seconds',
    help: 'Time to answer a request, log streams left out',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [registry],
  });
  gauges(app, registry);
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    if (route.endsWith('/stream')) return;
    requests.observe(
      { method: request.method, route, status: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    );
  });
  app.get('/metrics', async (_request, reply) =>
    reply
      .header('cache-control', 'no-store')
      .type(registry.contentType)
      .send(await registry.metrics()),
  );
  app.addHook('onClose', async () => registry.clear());
}

function gauges(app: FastifyInstance, registry: Registry): void {
  const registers = [registry];
  const open = new Gauge({
    name: 'autobuilder_builds_open',
    help: 'Builds that wait or are under way, by status',
    labelNames: ['status'],
    registers,
    collect: async () => {
      // Only the statuses that have an index of their own: a scrape must not read every build there was.
      const { rows } = await app.web.garage.pool.query<{ status: string; count: number }>(
        `select status, count(*)::int as count from builds where status = 'needs-build' group by status
         union all
         select status, count(*)::int from builds
          where status in ('building', 'built', 'uploaded', 'given-back') group by status`,
      );
      open.reset();
      for (const { status, count } of rows) open.set({ status }, count);
    },
  });
  const mails = new Gauge({
    name: 'autobuilder_mails_open',
    help: 'Mails that wait, wait too long, or failed in the last week',
    labelNames: ['state'],
    registers,
    collect: async () => {
      const health = await mailHealth(app.web.garage.pool);
      for (const [state, count] of Object.entries(health)) mails.set({ state }, count as number);
    },
  });
  const streams: Gauge = new Gauge({
    name: 'autobuilder_log_streams_open',
    help: 'Browsers that follow a log now',
    registers,
    collect: (): void => streams.set(app.web.streams.open),
  });
}
