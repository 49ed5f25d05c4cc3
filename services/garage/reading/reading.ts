/** What was read from a build: the one way in for page, mail, CLI and API. */
import type { Garage } from '../context.ts';
import { ERROR_KINDS } from './kinds.ts';
import { readingOf, type BuildReading } from './rows.ts';
import type { FirstError } from './types.ts';

export type { BuildReading } from './rows.ts';
export type * from './types.ts';

/**
 * What the log of a build's newest read attempt (or of attempt `number`) says, and how it differs from the last
 * good build. Null when nothing was read: it was not tried, still runs, or has just ended.
 */
export function buildReading(
  garage: Pick<Garage, 'pool'>,
  buildId: string,
  number?: number,
): Promise<BuildReading | null> {
  return readingOf(garage.pool, buildId, number);
}

/** A sentence for people on what an error is about. */
export function explainError({ kind }: Pick<FirstError, 'kind'>): string {
  return ERROR_KINDS[kind];
}

/** `src/main.c:41`, `src/main.c`, or null. */
export function placeOf({ file, fileLine }: Pick<FirstError, 'file' | 'fileLine'>): string | null {
  if (file === null) return null;
  return fileLine === null ? file : `${file}:${String(fileLine)}`;
}
