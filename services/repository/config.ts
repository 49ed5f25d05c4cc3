import { z } from 'zod';
import { queueName } from '../../shared/protocol/names.ts';
import { FORM_NAMES } from './indexes/forms/form.ts';
import { archiveRelease } from '../../shared/config/common.ts';
import { cronExpression, listenAddress } from '../../shared/config/fields.ts';
import { mirrorsSection } from './mirror/config.ts';
import { liveTargets } from './sync/config.ts';

/** How long generations are kept; the newest of all always is. */
const snapshotKeeping = z.strictObject({
  /** The newest so many, beside what was only signed anew. Two at least: a sync may be reading the one before. */
  keep: z.number().int().min(2).max(1_000).optional(),
  /** And whatever is younger than this. */
  days: z.number().nonnegative().optional(),
});

/** A hundred years: longer is a slip of the hand, and more than the database's intervals hold. */
export const MAX_GRACE_HOURS = 876_000;

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
  poolGraceHours: z.number().nonnegative().max(MAX_GRACE_HOURS).default(24),
  /** by-hash files stay on targets so long after the last index that named them: for clients that hold it. */
  byHashHours: z.number().nonnegative().default(24),
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
  /** What Release says to clients, see docs/indexes.md; a queue's or a product's own go before. */
  release: archiveRelease.prefault({}),
  /** Publishes changes of what clients know an archive by without `autobuilder identity accept`. */
  acceptIdentityChanges: z.boolean().default(false),
  /** The forms of the indexes. apt 1.6 and later read zstd; older ones want one of the others beside it. */
  compression: z
    .array(z.enum(FORM_NAMES))
    .min(1)
    .refine((names) => new Set(names).size === names.length, 'names a form twice')
    .default(['gz', 'xz']),
  /** Long descriptions in Translation-en, which apt fetches by its own settings; false: in Packages. */
  translations: z.boolean().default(true),
  /** Contents of binary packages, for apt-file. */
  contents: z.boolean().default(true),
  /** Contents of source packages too; each publish rewrites long lines, such as debian/rules'. */
  contentsSource: z.boolean().default(false),
  /** Packages of debug symbols in a component of their own, main/debug, or among the others. */
  debugSymbols: z.enum(['separate', 'together']).default('separate'),
  /** The uncompressed indexes too, for clients that read none of these. */
  plainIndexes: z.boolean().default(false),
  /** Patches between generations (Packages.diff/), so that clients with Acquire::PDiffs fetch what changed. */
  pdiffs: z.boolean().default(false),
  /** MD5 sums in Release, for clients that know nothing else. */
  md5: z.boolean().default(false),
  /** Goes into the archive key's user id when it is made. */
  keyEmail: z.email().default('autobuilder@localhost.localdomain'),
  /** How long a new or extended archive key is good for. Default: five years. */
  keyDays: z.number().int().positive().max(36_500).default(1826),
  /** The passphrase of the private keys; default: systemd's credential, else a file that is made. docs/signing.md */
  keyPassphraseFile: z.string().startsWith('/', 'must be an absolute path').optional(),
  /** Keys that gpg holds, in its agent or on a smartcard, beside those that are kept here. */
  keys: z
    .array(
      z.strictObject({
        gpg: z.string().regex(/^[0-9A-F]{40}$/, 'must be a fingerprint: 40 upper-case hexadecimal digits'),
        homedir: z.string().startsWith('/', 'must be an absolute path').optional(),
      }),
    )
    .default([]),
  /** The times of a key rotation: published before it signs, then signing beside the old one. */
  rotation: z
    .strictObject({
      announceDays: z.number().nonnegative().default(7),
      dualSignDays: z.number().nonnegative().default(30),
    })
    .prefault({}),
  /** Publishes `<name>-archive-keyring` into every queue, so that clients follow a rotation by upgrading. */
  keyringPackage: z.boolean().default(true),
  /** Of a signer that runs by itself; default: the service starts its own. */
  signerSocket: z.string().startsWith('/', 'must be an absolute path').optional(),
  /** Local mirrors of other archives; docs/mirror.md. */
  mirrors: mirrorsSection.prefault({}),
});
export type RepositoryConfig = z.infer<typeof repositorySection>;
