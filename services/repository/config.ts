import { z } from 'zod';
import { queueName } from '../../shared/protocol/names.ts';
import { cronExpression, listenAddress } from '../../shared/config/fields.ts';
import { liveTargets } from './sync/config.ts';

/** How long generations are kept; the newest of all always is. */
const snapshotKeeping = z.strictObject({
  /** The newest so many that changed something. Two at least: a sync may still be reading the one before. */
  keep: z.number().int().min(2).max(1_000).optional(),
  /** And whatever is younger than this. */
  days: z.number().nonnegative().optional(),
});

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
  targets: liveTargets.optional(),
  /** A pool file that nothing needs any more stays so long: clients may still hold an index that names it. */
  poolGraceHours: z.number().nonnegative().default(24),
  /** Generations that stay readable at `<queue>/snapshot/<timestamp>/`, see docs/generations.md. */
  snapshots: snapshotKeeping
    .extend({
      keep: z.number().int().min(2).max(1_000).default(10),
      days: z.number().nonnegative().default(0),
      /** What differs for single queues. */
      queues: z.record(queueName, snapshotKeeping).default({}),
    })
    .prefault({}),
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
