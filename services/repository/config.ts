import { z } from 'zod';
import { cronExpression, listenAddress } from '../../shared/config/fields.ts';

/** Section `repository`. Every default works on one machine with everything embedded. */
export const repositorySection = z.strictObject({
  /** /healthz and /metrics; port 0 takes a free one. Never for the internet. */
  listen: listenAddress.prefault('127.0.0.1:8083'),
  /** The sweeps' own schedule, beside being woken (cron, five or six fields). */
  schedule: z
    .strictObject({
      /** The queue that uploads enter: people wait for it. */
      first: cronExpression.prefault('*/2 * * * *'),
      others: cronExpression.prefault('*/5 * * * *'),
      orders: cronExpression.prefault('* * * * *'),
      /** Retention, then garbage collection of the pool. */
      gc: cronExpression.prefault('47 3 * * *'),
    })
    .prefault({}),
  /** Where rqp syncs to; default one, `$AUTOBUILDER_HOME/live`. */
  targets: z
    .array(z.strictObject({ path: z.string().startsWith('/', 'must be an absolute path') }))
    .min(1)
    .optional(),
  /** A pool file that nothing needs any more stays so long: clients may still hold an index that names it. */
  poolGraceHours: z.number().nonnegative().default(24),
  /** How often rqp looks for markers, beside being woken. */
  syncSweepS: z.number().positive().default(5),
  /** Adds Valid-Until to Release; signed anew when half of it has passed. Default: no Valid-Until. */
  validDays: z.number().positive().optional(),
  /** The uncompressed indexes too, for clients that read neither gz nor xz. */
  plainIndexes: z.boolean().default(false),
  /** MD5 sums in Release, for clients that know nothing else. */
  md5: z.boolean().default(false),
  /** Goes into the archive key's user id when it is made. */
  keyEmail: z.email().default('autobuilder@localhost.localdomain'),
});
export type RepositoryConfig = z.infer<typeof repositorySection>;
