/** A build's log as text, and as a stream of server-sent events. */
import path from 'node:path';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { unreachable } from '../../../../../shared/errors/app-error.ts';
import { HttpError, notFound, parse } from '../../errors.ts';
import { attemptRow, logFile, type AttemptRow } from './attempts.ts';
import { followLog, type LogEvent } from './follow-log.ts';
import { openLog } from './log-file.ts';
import { rowId } from './ids.ts';

/** How long a browser waits before it connects again. */
const RETRY_MS = 2_000;

const query = z.object({
  attempt: z.coerce.number().int().min(1).max(1_000_000).optional(),
  offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
});

export function logRoutes(app: FastifyInstance): void {
  app.get('/builds/:id/log', async (request, reply) => {
    const { attempt } = await attemptOf(request);
    const file = logFile(app.web.garage, attempt);
    const handle = await openLog(file);
    if (!handle) throw notFound('log');
    await handle.close();
    // As text, whatever is in it; ranges and conditional requests are the library's.
    void reply.header('content-type', 'text/plain; charset=utf-8');
    const isWhole = attempt.finished_at !== null;
    return reply.sendFile(path.basename(file), path.dirname(file), {
      cacheControl: true,
      maxAge: isWhole ? '1h' : 0,
      contentType: false,
    });
  });
  app.get('/builds/:id/log/stream', async (request, reply) => {
    const { buildId, attempt, offset } = await attemptOf(request);
    const stream = streamLog(request, reply, buildId, attempt, lastEventId(request) ?? offset);
    return reply
      .headers({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // nginx would keep events back until its buffer is full.
        'x-accel-buffering': 'no',
      })
      .send(stream);
  });
}

async function attemptOf(
  request: FastifyRequest,
): Promise<{ buildId: string; attempt: AttemptRow; offset: number }> {
  const { id } = parse(z.object({ id: rowId }), request.params, notFound('build'));
  const { attempt: number, offset } = parse(query, request.query, notFound('log'));
  const attempt = await attemptRow(request.server.web.garage.pool, id, number);
  if (!attempt) throw notFound('attempt of this build');
  return { buildId: id, attempt, offset };
}

/** What a browser that connects again says it has: the byte offset after the last event it got. */
function lastEventId(request: FastifyRequest): number | undefined {
  const id = request.headers['last-event-id'];
  return typeof id === 'string' && /^[0-9]{1,15}$/.test(id) ? Number(id) : undefined;
}

function streamLog(
  request: FastifyRequest,
  reply: FastifyReply,
  buildId: string,
  attempt: AttemptRow,
  from: number,
): Readable {
  const { garage, streams, closing } = request.server.web;
  if (!streams.enter()) {
    void reply.header('retry-after', '30');
    throw new HttpError(503, 'too-many-streams', 'Too many people follow logs now', {
      hint: 'Read the log as text instead, or try again in a minute.',
    });
  }
  const gone = new AbortController();
  reply.raw.once('close', () => {
    streams.leave();
    gone.abort();
  });
  const events = followLog({
    file: logFile(garage, attempt),
    from,
    signal: AbortSignal.any([gone.signal, closing]),
    state: async () => {
      const now = await attemptRow(garage.pool, buildId, attempt.number);
      return { stage: now?.stage ?? 'done', finished: (now?.finished_at ?? null) !== null || !now };
    },
  });
  return Readable.from(encode(events), { objectMode: false });
}

async function* encode(events: AsyncIterable<LogEvent>): AsyncGenerator<string> {
  yield `retry: ${String(RETRY_MS)}\n\n`;
  for await (const event of events) yield encodeEvent(event);
}

/** JSON keeps line ends out of the event format. */
function encodeEvent(event: LogEvent): string {
  switch (event.kind) {
    case 'text':
      return `id: ${String(event.end)}\nevent: text\ndata: ${JSON.stringify(event.text)}\n\n`;
    case 'stage':
      return `event: stage\ndata: ${JSON.stringify(event.stage)}\n\n`;
    case 'silence':
      return ': still here\n\n';
    case 'end':
      return 'event: end\ndata: ""\n\n';
    default:
      return unreachable(event);
  }
}
