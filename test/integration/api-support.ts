/** Holds what the API answers to what its own document promises. */
import { z } from 'zod';
import type { LightMyRequestResponse } from 'fastify';

interface Media {
  content?: Record<string, { schema: Parameters<typeof z.fromJSONSchema>[0] }>;
}
export interface ApiDocument {
  openapi: string;
  paths: Record<string, { get: { parameters?: { name: string }[]; responses: Record<string, Media> } }>;
}

/** Throws with every difference between an answer and the schema that the document has for it. */
export function holdToDocument(document: ApiDocument, path: string, answer: LightMyRequestResponse): void {
  const operation = document.paths[path]?.get;
  if (!operation) throw new Error(`${path} is not in the document`);
  const media = operation.responses[String(answer.statusCode)]?.content?.['application/json'];
  if (!media) throw new Error(`${path}: no schema for ${String(answer.statusCode)}`);
  z.fromJSONSchema(media.schema).parse(answer.json());
}
