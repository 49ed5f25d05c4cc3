/** What tells bases of one product and architecture apart, for garage and builder alike. */
import { createHash } from 'node:crypto';
import type { BaseSpec } from './job.ts';

/** Raised when what the builder puts into a base changes, so that old ones are not used. */
const BASE_FORMAT = 2;

/** Twelve hex digits of what the base is made from; `spec` must come out of its schema (order of keys). */
export function baseDigest(spec: BaseSpec): string {
  const more = spec.include === undefined ? [] : [spec.include];
  const text = JSON.stringify([BASE_FORMAT, spec.sources, ...more]);
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
