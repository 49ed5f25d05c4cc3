import { z } from 'zod';
import { cronExpression } from '../../../shared/config/fields.ts';

/** `repository.mirrors`: what holds for every local mirror of another archive. */
export const mirrorsSection = z.strictObject({
  /** Where they lie, one folder each; default `$AUTOBUILDER_HOME/mirrors`. */
  path: z.string().startsWith('/', 'must be an absolute path').optional(),
  /** When mirrors are updated that have no schedule of their own. */
  schedule: cronExpression.prefault('17 */6 * * *'),
  /** Downloads at a time, of one mirror. */
  parallel: z.number().int().min(1).max(32).default(4),
  /** Of one mirror, all downloads together. Default: no limit. */
  bytesPerSecond: z.number().int().positive().optional(),
  /** What no index names any more stays so long, for clients that hold an older one. */
  graceHours: z.number().nonnegative().default(48),
});
