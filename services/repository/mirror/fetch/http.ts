/** One archive over HTTP(S): keep-alive, ranges, bounded redirects, the proxy that the environment names. */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import { AppError, messageOf } from '../../../../shared/errors/app-error.ts';
import type { Origin, OriginOptions, Opened } from './origin.ts';

/** A mirror network sends on to a mirror, perhaps to https first. */
const MAX_REDIRECTS = 5;
/** Until the answer's first line; a mirror that wakes its disk needs a while. */
const ANSWER_TIMEOUT_MS = 30_000;
const USER_AGENT = 'Autobuilder-mirror';

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** The address is good and the trouble may pass. */
const BUSY: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
/** What TLS calls a certificate that it does not take. */
const TLS_ERROR = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL|EPROTO/;

/** `base` without a slash at its end. */
export function createHttpOrigin(base: string, options: OriginOptions): Origin {
  const settings = { keepAlive: true, maxSockets: options.parallel, proxyEnv: process.env };
  const plain = new http.Agent(settings);
  const secure = new https.Agent({ ...settings, secureContext: secureContext(options.ca) });
  const get = (url: URL, from: number, signal?: AbortSignal): Promise<IncomingMessage> =>
    request(url, url.protocol === 'https:' ? secure : plain, headersFor(url, from, options), signal);
  return {
    open: async (path, from, signal) => {
      let url = new URL(`${base}/${path.split('/').map(encodeURIComponent).join('/')}`);
      for (let count = 0; count <= MAX_REDIRECTS; count += 1) {
        const answer = await get(url, from, signal);
        const next = redirectOf(answer, url);
        if (next === null) return opened(answer, url, from, () => get(url, 0, signal));
        answer.destroy();
        url = next;
      }
      throw new AppError(
        'mirror-redirects',
        `${shown(url)} sends on more than ${String(MAX_REDIRECTS)} times`,
      );
    },
    close: () => {
      plain.destroy();
      secure.destroy();
    },
  };
}

/** The system's CAs and, beside them, the given one. */
function secureContext(ca: string | null): tls.SecureContext {
  const system = [...tls.getCACertificates('default'), ...tls.getCACertificates('system')];
  return tls.createSecureContext({ ca: [...new Set([...system, ...(ca === null ? [] : [ca])])] });
}

function headersFor(url: URL, from: number, { credentials }: OriginOptions): Record<string, string> {
  const authorization = credentials(url);
  const isFresh = url.pathname.includes('/dists/') && !url.pathname.includes('/by-hash/');
  return {
    ...{ accept: '*/*', 'accept-encoding': 'identity', 'user-agent': USER_AGENT },
    // A cache on the way must ask whether what may change has changed.
    ...(isFresh ? { 'cache-control': 'max-age=0' } : {}),
    ...(from > 0 ? { range: `bytes=${String(from)}-` } : {}),
    ...(authorization === null ? {} : { authorization }),
  };
}

/** Without its query: that of a redirect may hold a secret. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function request(
  url: URL,
  agent: http.Agent,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? https.request : http.request;
    const sent = send(url.href, { agent, headers, ...(signal ? { signal } : {}) });
    const timer = setTimeout(() => sent.destroy(new Error('no answer in time')), ANSWER_TIMEOUT_MS);
    sent.once('response', (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    sent.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (signal?.aborted === true) reject(error);
      else reject(connectionError(url, error));
    });
    sent.end();
  });
}

function connectionError(url: URL, error: NodeJS.ErrnoException): AppError {
  const isTls = TLS_ERROR.test(error.code ?? '');
  const why = error.message === '' ? (error.code ?? 'unknown error') : messageOf(error);
  return new AppError(
    isTls ? 'mirror-tls' : 'mirror-unreachable',
    `${url.origin} cannot be reached: ${why}`,
    {
      hint: isTls
        ? 'A CA of your own is given with --ca FILE.'
        : 'Is the address right, and the archive up? The proxy variables of the environment hold, see docs/mirror.md.',
      cause: error,
    },
  );
}

/** Where the answer sends on to, or null. Never from https to http, and to no other protocol. */
function redirectOf(answer: IncomingMessage, from: URL): URL | null {
  if (!REDIRECTS.has(answer.statusCode ?? 0)) return null;
  const to = URL.parse(answer.headers.location ?? '', from.href);
  const isAllowed = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:');
  if (to && isAllowed) return to;
  answer.destroy();
  throw new AppError('mirror-redirects', `${shown(from)} sends on to an address that is not taken`);
}

async function opened(
  answer: IncomingMessage,
  url: URL,
  from: number,
  again: () => Promise<IncomingMessage>,
): Promise<Opened | null> {
  const status = answer.statusCode ?? 0;
  // Servers that call a .gz file an encoding still send the file; whatever comes, its sum decides.
  if (status === 200) return { body: answer, offset: 0 };
  if (status === 206 && rangeStart(answer) === from) return { body: answer, offset: from };
  answer.destroy();
  if (status === 404 || status === 410) return null;
  // The file there is shorter than what we have of it, or the range is not what was asked for: from the start.
  if ((status === 416 || status === 206) && from > 0) return opened(await again(), url, 0, again);
  if (BUSY.has(status)) {
    throw new AppError('mirror-unavailable', `${shown(url)} answers ${String(status)}`);
  }
  throw new AppError('mirror-refused', `${shown(url)} answers ${String(status)}`, {
    ...(status === 401 || status === 403 ? { hint: 'A login is given in a file with --auth FILE.' } : {}),
  });
}

function rangeStart(answer: IncomingMessage): number | null {
  const found = /^bytes (\d{1,15})-/.exec(answer.headers['content-range'] ?? '')?.[1];
  return found === undefined ? null : Number(found);
}
