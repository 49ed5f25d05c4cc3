/** What was read from a build: the one way in for page, mail, CLI and API. */
import type { Garage } from '../context.ts';
import { readingOf, type BuildReading } from './rows.ts';

export type { BuildReading } from './rows.ts';
export { explainError, placeOf } from './summary.ts';
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
