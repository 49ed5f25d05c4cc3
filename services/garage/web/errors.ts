/** What went wrong, told to whoever asked: a page for people, a problem document (RFC 9457) for programs. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { AppError, type AppErrorOptions } from '../../../shared/errors/app-error.ts';
import { sendPage } from './layout.ts';
import { html } from './markup.ts';

/** An error that is the client's to see, with its HTTP status. */
export class HttpError extends AppError {
  readonly statusCode: number;

  constructor(statusCode: number, code: string, message: string, options: AppErrorOptions = {}) {
    super(code, message, options);
    this.name = 'HttpError';
    this.statusCode = statusCode;
  }
}

/** 404 for a thing that the address names. */
export function notFound(what: string): HttpError {
  return new HttpError(404, 'not-found', `There is no ${what} here`, {
    hint: 'Check the address, or start from the front page.',
  });
}

/** Parses what the client sent; `error` is thrown for whatever is not in the form. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, error: HttpError): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw error;
}

/** An error as it is shown. */
export interface Problem {
  status: number;
  code: string;
  title: string;
  hint: string | undefined;
}

/** Makes every error, and every address that is not there, a page or a problem document. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.error({ err: error, url: request.url }, 'request failed');
    return sendProblem(request, reply, problem);
  });
  app.setNotFoundHandler(async (request, reply) => {
    const { code, message, hint } = notFound('page');
    return sendProblem(request, reply, { status: 404, code, title: message, hint });
  });
}

/** Only what was made for clients is shown; of everything else its status, and a general word. */
export function problemOf(error: FastifyError | HttpError): Problem {
  if (error instanceof HttpError) {
    return { status: error.statusCode, code: error.code, title: error.message, hint: error.hint };
  }
  const status = error.statusCode ?? 500;
  if (error.code?.startsWith('FST_CSRF')) {
    return {
      ...{ status: 403, code: 'form-expired', title: 'This form is too old or came from elsewhere' },
      hint: 'Go back, reload the page and send it again. Cookies must be allowed for this site.',
    };
  }
  return known[status] ? { status, ...known[status] } : { status: 500, ...internal };
}

const internal = {
  code: 'internal-error',
  title: 'Something went wrong on our side',
  hint: 'Try again in a minute. If it stays, tell an administrator when it happened; the log has the cause.',
};
const known: Partial<Record<number, Omit<Problem, 'status'>>> = {
  400: { code: 'bad-request', title: 'This request is not in the form expected', hint: undefined },
  404: { code: 'not-found', title: 'There is no page here', hint: undefined },
  413: { code: 'too-large', title: 'This is more than is taken at once', hint: 'Send less.' },
  415: { code: 'unsupported-media-type', title: 'This kind of content is not taken here', hint: undefined },
  429: {
    code: 'too-many-requests',
    title: 'Too many attempts in a short time',
    hint: 'Wait a minute and try again.',
  },
};

async function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): Promise<unknown> {
  reply.status(problem.status);
  if (wantsJson(request)) {
    const { status, code, title, hint } = problem;
    return reply
      .type('application/problem+json')
      .send(JSON.stringify({ type: 'about:blank', status, title, code, detail: hint }));
  }
  return sendPage(request, reply, {
    title: problem.title,
    body: html`<p class="quiet">Error ${problem.status} · ${problem.code}</p>
      ${problem.hint && html`<p>${problem.hint}</p>`}
      <p><a href="/">To the front page</a></p>`,
  });
}

function wantsJson(request: FastifyRequest): boolean {
  const accept = request.headers.accept ?? '';
  return accept.includes('json') && !accept.includes('text/html');
}
