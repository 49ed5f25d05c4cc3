/**
 * Plain files over HTTP, as any web server would serve them: ranges, conditional requests, no dot files,
 * no listings but what lies there as a page. It reads live and nothing else.
 */
import fastifyStatic, { type FastifyStaticOptions } from '@fastify/static';
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
} from 'fastify';
import path from 'node:path';
import type { CommonConfig } from '../../../shared/config/common.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { indexPage } from './page.ts';
import { createPins } from './pins.ts';

/** apt's requests have short paths and no body. */
const MAX_BODY_BYTES = 1024;
const REQUEST_TIMEOUT_MS = 30_000;

/** A published file never changes and by-hash names its content: a cache may keep both for a year. */
const FOR_EVER = 'public, max-age=31536000, immutable';
/** Everything else may change at each generation, so a cache must ask. */
const ASK_EACH_TIME = 'public, no-cache';

/** The Cache-Control of a path below live's root. */
export function cacheControl(relative: string): string {
  const parts = relative.split(path.sep);
  // The list of snapshots changes; what is in one does not.
  const isSnapshot = parts[1] === 'snapshot' && parts.length > 3;
  return isSnapshot || parts[1] === 'pool' || parts.includes('by-hash') ? FOR_EVER : ASK_EACH_TIME;
}

/** RFC 3986's reserved characters that a file name may hold; never `/`, `?`, `#` or `%` itself. */
const RESERVED_IN_NAMES = /%(21|24|26|27|28|29|2a|2b|2c|3a|3b|3d|40)/gi;

/**
 * apt asks for `hello_1.0%2b1.deb`. The static files below it decode as for a whole URL, which leaves
 * reserved characters escaped, so names with `+` would never be found.
 */
export function unescapeReserved(url: string): string {
  return url.replaceAll(RESERVED_IN_NAMES, (escaped) => decodeURIComponent(escaped));
}

function staticFiles(
  root: string,
  prefix: string,
  control: (relative: string) => string,
): FastifyStaticOptions {
  return {
    // Of our own, only the list of snapshots has an index page.
    ...{ root, prefix, index: prefix === '/' ? 'index.html' : false },
    ...{ list: false, redirect: false, dotfiles: 'ignore' },
    ...{ cacheControl: false, decorateReply: false },
    setHeaders: (reply, file) => {
      void reply.header('cache-control', control(path.relative(root, file)));
      void reply.header('x-content-type-options', 'nosniff');
    },
  };
}

/**
 * apt resumes an InRelease that it refused with that file's Date in If-Range. A date still to come (a clock was wrong)
 * matches no file, but the static files below would take it for newer than each: apt then keeps what it refused.
 */
async function ignoreRangeFromTheFuture({ raw: { headers } }: FastifyRequest): Promise<void> {
  const since = headers['if-range'];
  if (typeof since === 'string' && Date.parse(since) > Date.now()) delete headers.range;
}

/** Not yet listening. `root` and `mirrors` must be there. */
export async function buildLiveServer(options: {
  root: string;
  /** Local mirrors of other archives, served as `/mirror/NAME/`. */
  mirrors?: string;
  common: CommonConfig;
  log: Logger;
}): Promise<FastifyInstance> {
  const logger: FastifyBaseLogger = options.log;
  const pinned = createPins(options.root);
  const server = fastify({
    loggerInstance: logger,
    rewriteUrl: (request) => pinned(request, unescapeReserved(request.url ?? '/')),
    // One line a request is the front web server's job.
    logController: new LogController({ disableRequestLogging: true }),
    ...{ bodyLimit: MAX_BODY_BYTES, requestTimeout: REQUEST_TIMEOUT_MS, forceCloseConnections: true },
  });
  server.addHook('onRequest', ignoreRangeFromTheFuture);
  await server.register(fastifyStatic, staticFiles(options.root, '/', cacheControl));
  if (options.mirrors !== undefined) {
    // A name in somebody else's archive may get another content one day: only a sum is for ever.
    const control = (file: string): string => (file.includes('/by-hash/') ? FOR_EVER : ASK_EACH_TIME);
    await server.register(fastifyStatic, staticFiles(options.mirrors, '/mirror/', control));
  }
  server.get('/', (request, reply) => {
    void reply.header('cache-control', ASK_EACH_TIME);
    void reply.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'");
    void reply.header('x-content-type-options', 'nosniff');
    void reply.type('text/html; charset=utf-8');
    return reply.send(indexPage(options.common, `${request.protocol}://${request.host}`));
  });
  return server;
}
