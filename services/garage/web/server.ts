/** The web: pages for people, and what their browsers need. Wiring only; each page stands in pages/. */
import formbody from '@fastify/formbody';
import multipart from '@fastify/multipart';
import files from '@fastify/static';
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { AppError, hasErrno } from '../../../shared/errors/app-error.ts';
import { api } from '../api/routes.ts';
import type { Garage } from '../context.ts';
import { loadAssets } from './assets.ts';
import { createBound } from './bound.ts';
import { answerErrors } from './errors.ts';
import { measure } from './metrics.ts';
import { buildPages } from './pages/builds/routes.ts';
import { frontPage } from './pages/front.ts';
import { generationPages } from './pages/generations.ts';
import { healthRoutes } from './pages/health.ts';
import { hostsPage } from './pages/hosts.ts';
import { howtoPages } from './pages/howto.ts';
import { mailPages } from './pages/mails.ts';
import { promoteRoute } from './pages/promote.ts';
import { queuePages } from './pages/queues.ts';
import { rollbackPages } from './pages/rollback.ts';
import { signInPages } from './pages/sign-in.ts';
import { sourcePage } from './pages/source.ts';
import { uploadPages } from './pages/upload/routes.ts';
import { uploadsPages } from './pages/uploads.ts';
import { secure } from './security.ts';
import { readSessions } from './session.ts';
import { sessionKey } from './session-key.ts';

/** Forms hold a few short fields; files go past this, streamed and limited on their own. */
const FORM_BYTES = 64 * 1024;
/** A connection that says nothing for so long is cut; log streams say something every 15 seconds. */
const SILENCE_MS = 120_000;
/** Above what a team's browsers keep open, below the usual limit of 1024 open files. */
const MAX_CONNECTIONS = 512;
/** Open log streams; each reads its file twice a second. */
const MAX_STREAMS = 100;
/** Uploads at once; with 60 files each still below the limit of open files. */
const MAX_UPLOADS = 8;

const PAGES = [
  ...[frontPage, signInPages, uploadPages, uploadsPages, sourcePage, buildPages],
  ...[
    queuePages,
    generationPages,
    rollbackPages,
    promoteRoute,
    hostsPage,
    mailPages,
    howtoPages,
    healthRoutes,
  ],
];

/** The application, not yet listening. Makes the session key at first start. */
export async function buildWeb(garage: Garage): Promise<FastifyInstance> {
  const log: FastifyBaseLogger = garage.log;
  const app = Fastify({
    loggerInstance: log,
    // Failures are logged by errors.ts, the rest is counted by metrics.ts.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: FORM_BYTES,
    connectionTimeout: SILENCE_MS,
    // A proxy in front is on this machine; from elsewhere X-Forwarded-For is only a claim.
    trustProxy: 'loopback',
    forceCloseConnections: true,
  });
  const closing = new AbortController();
  const assets = await loadAssets();
  app.decorate('web', {
    ...{ garage, assets, site: garage.common.name, closing: closing.signal },
    ...{ streams: createBound(MAX_STREAMS), uploads: createBound(MAX_UPLOADS) },
  });
  app.addHook('preClose', async () => closing.abort());
  measure(app);
  answerErrors(app);
  await secure(app, await sessionKey(garage.home), garage.config.url.startsWith('https:'));
  await app.register(formbody);
  await app.register(multipart);
  await app.register(files, { serve: false, root: garage.home.root });
  assets.serve(app);
  readSessions(app);
  for (const page of PAGES) page(app);
  await app.register(api, { prefix: '/api' });
  app.server.maxConnections = MAX_CONNECTIONS;
  return app;
}

/** Listens on `garage.listen`. Throws `web-address-unusable` when that cannot be had. */
export async function startWeb(garage: Garage): Promise<{ address: string; close(): Promise<void> }> {
  const app = await buildWeb(garage);
  const { host, port } = garage.config.listen;
  try {
    const address = await app.listen({ host, port });
    return { address, close: () => app.close() };
  } catch (error) {
    await app.close();
    if (!hasErrno(error, 'EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES')) throw error;
    throw new AppError('web-address-unusable', `The web cannot listen on ${host}:${String(port)}`, {
      hint: 'Another process may have it. Set garage.listen to an address that is free.',
      cause: error,
    });
  }
}
