/** What was read from a build's log: the first error, warnings, and what differs from the last good build. */
import { z } from 'zod';
import { buildReading, explainError } from '../reading/reading.ts';
import { rowId } from '../web/pages/builds/ids.ts';
import { missing, problem } from './problems.ts';
import type { Api } from './typed.ts';

const change = z.object({ from: z.number(), to: z.number() });
const changed = z.object({ from: z.string().nullable(), to: z.string().nullable() });
const stageSeconds = z.record(z.string(), z.number());

const firstError = z.object({
  kind: z.string().describe('compile, link, missing-header, tests, dependencies, ...: stable.'),
  explanation: z.string().describe('A sentence for people.'),
  text: z.string().describe('The line itself.'),
  logLine: z.int().nullable().describe('Its number in the log, from 1.'),
  file: z.string().nullable().describe('The file that it names.'),
  fileLine: z.int().nullable(),
  before: z.array(z.string()),
  after: z.array(z.string()),
});

const facts = z.object({
  exitClass: z.string(),
  stage: z.string(),
  stageSeconds,
  seconds: z.number(),
  lines: z.int(),
  bytes: z.int(),
  skippedBytes: z.int().describe('Of a very long log, what was not read; counts are then too low.'),
  firstError: firstError.nullable(),
  failingTests: z.array(z.string()),
  failingTestCount: z.int(),
  missing: z.array(z.object({ kind: z.string(), name: z.string() })),
  warnings: z.record(z.string(), z.int()).describe('How many of each kind.'),
});

const comparison = z.object({
  with: z.object({ buildId: z.string(), attemptId: z.string(), version: z.string(), finishedAt: z.string() }),
  dependencies: z
    .object({
      by: z.enum(['buildinfo', 'log']),
      count: z.int(),
      changes: z.array(changed.extend({ name: z.string() })),
    })
    .nullable(),
  log: z.object({
    warnings: z.record(z.string(), change),
    warningCount: change,
    lines: change,
    seconds: change,
    stageSeconds: z.record(z.string(), change),
  }),
  packages: z
    .array(
      z.object({
        name: z.string(),
        architecture: z.string(),
        change: z.enum(['added', 'removed', 'changed', 'same']),
        size: z.object({ from: z.number().nullable(), to: z.number().nullable() }),
        fields: z.array(changed.extend({ field: z.string() })),
        files: z
          .object({
            added: z.array(z.string()),
            removed: z.array(z.string()),
            altered: z.array(z.string()),
            counts: z.object({ added: z.int(), removed: z.int(), altered: z.int() }),
          })
          .nullable(),
      }),
    )
    .nullable(),
});

export const reading = z.object({
  buildId: z.string(),
  attempt: z.int(),
  facts,
  comparison: comparison.nullable().describe('Null where there is no earlier good build.'),
});

const query = z.object({
  attempt: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Default: the newest that was read.'),
});

export function readingRoutes(app: Api): void {
  const { garage } = app.web;
  const schema = {
    summary: "What was read from a build's log",
    params: z.object({ id: rowId }),
    querystring: query,
    response: { 200: reading, 404: problem },
  };
  app.get('/builds/:id/reading', { schema }, async ({ params: { id }, query: { attempt } }) => {
    const found = await buildReading(garage, id, attempt);
    if (!found) throw missing('reading of this build', 'A build is read when an attempt of it has ended.');
    const { setUp: _, firstError: error, ...rest } = found.facts;
    return {
      buildId: found.buildId,
      attempt: found.attempt,
      facts: { ...rest, firstError: error && { ...error, explanation: explainError(error) } },
      comparison: found.comparison,
    };
  });
}
