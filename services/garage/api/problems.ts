/** Errors of the API: problem documents (RFC 9457) with a code for programs and a hint for people. */
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { HttpError, problemOf, type Problem } from '../web/errors.ts';

export const problem = z
  .object({
    type: z.literal('about:blank'),
    status: z.int(),
    title: z.string(),
    code: z.string().describe('Stable, kebab-case; programs compare this.'),
    message: z.string().describe('One sentence for people.'),
    hint: z.string().nullable().describe('What to do next.'),
  })
  .describe('A problem document (RFC 9457), sent as application/problem+json.');

/** Whatever goes wrong in this part of the server is answered as a problem, whoever asks. */
export function answerProblems(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const found = problemOf(error);
    if (found.status >= 500) request.log.error({ err: error, url: request.url }, 'request failed');
    return send(reply, found);
  });
  app.setNotFoundHandler(async (_request, reply) =>
    send(reply, problemOf(missing('address of the API', 'The addresses stand in /api/openapi.json.'))),
  );
}

/** 404 for a thing that the address names. */
export function missing(what: string, hint?: string): HttpError {
  return new HttpError(404, 'not-found', `There is no such ${what}`, hint === undefined ? {} : { hint });
}

async function send(reply: FastifyReply, { status, code, title, hint }: Problem): Promise<unknown> {
  const document = { type: 'about:blank', status, title, code, message: title, hint: hint ?? null };
  return reply.status(status).type('application/problem+json').send(JSON.stringify(document));
}
