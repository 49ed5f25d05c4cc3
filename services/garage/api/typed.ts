/** Routes whose parameters and answers are zod schemas: checked by them, described by them in OpenAPI. */
import type { FastifyInstance, FastifyTypeProvider, RawServerDefault } from 'fastify';
import type { FastifyBaseLogger, FastifySchema } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { HttpError } from '../web/errors.ts';

export interface ZodTypes extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
}

/** What the API's route files register their routes on. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypes
>;

/** Makes `app` (this plugin's part of the server only) check requests with the routes' zod schemas. */
export function useZod(app: FastifyInstance): Api {
  app.setValidatorCompiler(({ schema, httpPart }) => (value: unknown) => {
    if (!(schema instanceof z.ZodType)) return { value };
    const parsed = schema.safeParse(value);
    if (parsed.success) return { value: parsed.data };
    return { error: refusal(httpPart === 'params', parsed.error) };
  });
  // Answers are selected column by column; a test holds real ones to the document.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  return app.withTypeProvider<ZodTypes>();
}

/** An id that cannot be one names nothing; anything else wrong is the client's to mend. */
function refusal(isPath: boolean, error: z.ZodError): HttpError {
  const [issue] = error.issues;
  const where = issue?.path.join('.') ?? '';
  if (isPath) return new HttpError(404, 'not-found', `Nothing has such a name: ${where}`);
  return new HttpError(400, 'bad-request', `Parameter '${where}': ${issue?.message ?? 'not in the form'}`, {
    hint: 'The parameters of each address are described in /api/openapi.json.',
  });
}

/** The same schemas as JSON Schema 2020-12, which OpenAPI 3.1 takes as they are. */
export function describeSchema(schema: FastifySchema | undefined): FastifySchema {
  const described: Record<string, unknown> = { ...schema };
  for (const part of ['params', 'querystring'] as const) {
    if (described[part] !== undefined) described[part] = toJson(described[part], 'input');
  }
  const answers = Object.entries((described['response'] ?? {}) as Record<string, unknown>);
  if (answers.length > 0) {
    described['response'] = Object.fromEntries(answers.map(([code, each]) => [code, toJson(each, 'output')]));
  }
  return described;
}

function toJson(schema: unknown, io: 'input' | 'output'): unknown {
  if (!(schema instanceof z.ZodType)) return schema;
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
  return json;
}
