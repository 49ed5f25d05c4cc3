/** Headers, cookies, CSRF and limits: what holds for every route. */
import csrf from '@fastify/csrf-protection';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import secureSession from '@fastify/secure-session';
import type { FastifyInstance } from 'fastify';

/** A week: maintainers come daily; a disabled account or a changed password ends it at once anyway. */
const SESSION_S = 7 * 24 * 3600;

/** Registers the plugins. `https` is whether people reach the web that way. */
export async function secure(app: FastifyInstance, key: Buffer, https: boolean): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: POLICY },
    strictTransportSecurity: https && { maxAge: 31_536_000, includeSubDomains: false },
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'same-origin' },
  });
  await app.register(secureSession, {
    key,
    // Browsers refuse the prefix without `secure`, and with it no other host can set the cookie.
    cookieName: https ? '__Host-autobuilder' : 'autobuilder',
    expiry: SESSION_S,
    // lax, not strict: whoever follows a link in a mail is still signed in; every POST has its own token.
    cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: https, maxAge: SESSION_S },
  });
  await app.register(csrf, { sessionPlugin: '@fastify/secure-session', getToken: tokenOf });
  await app.register(rateLimit, { global: false });
  app.addHook('preValidation', (request, reply, done) => {
    const isSafe = request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS';
    if (isSafe || request.is404 || request.routeOptions.config.csrf === 'handler') done();
    else app.csrfProtection(request, reply, done);
  });
}

const POLICY = {
  defaultSrc: ["'none'"],
  styleSrc: ["'self'"],
  scriptSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

function tokenOf({ body }: { body: unknown }): string | void {
  if (typeof body !== 'object' || body === null || !('_csrf' in body)) return undefined;
  return typeof body._csrf === 'string' ? body._csrf : undefined;
}
