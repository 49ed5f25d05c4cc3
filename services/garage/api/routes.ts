/**
 * `/api/v1`: what the pages show, for programs. It only reads; sessions are the web's own, so whoever is
 * signed in sees here what the pages show them, and nobody more than that.
 */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { buildRoutes } from './builds.ts';
import { generationRoutes } from './generations.ts';
import { hostRoutes } from './hosts.ts';
import { orderRoutes } from './orders.ts';
import { answerProblems } from './problems.ts';
import { queueRoutes } from './queues.ts';
import { readingRoutes } from './readings.ts';
import { sourceRoutes } from './sources.ts';
import { describeSchema, useZod } from './typed.ts';
import { uploadRoutes } from './uploads.ts';

/** A plugin for the web's server: `app.register(api, { prefix: '/api' })`. */
export async function api(app: FastifyInstance): Promise<void> {
  const web = app.web.garage.config.url.replace(/\/$/, '');
  answerProblems(app);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: `${app.web.site}: the API`,
        version: '1',
        description:
          'Reads only. Lists answer `items` and `next`; give `next` back as `?after=` for the following page. ' +
          'Errors are problem documents (RFC 9457).',
      },
      servers: [{ url: web }],
    },
    transform: ({ schema, url }) => ({ schema: describeSchema(schema), url }),
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.register(
    async (v1) => {
      const typed = useZod(v1);
      // What is true now is not true in a minute, and depends on who asks.
      v1.addHook('onRequest', async (_request, reply) => {
        void reply.header('cache-control', 'private, no-store');
      });
      for (const routes of [uploadRoutes, sourceRoutes, buildRoutes, queueRoutes, generationRoutes]) {
        routes(typed, web);
      }
      for (const routes of [hostRoutes, orderRoutes, readingRoutes]) routes(typed);
    },
    { prefix: '/v1' },
  );
}
