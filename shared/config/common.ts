/** The part of the configuration that several services read: what is built, for what, into which queues. */
import { z } from 'zod';
import { architectureName, featureName, productName, queueName } from '../protocol/names.ts';
import { CHECK_NAMES, lintianSeverity, type CheckName } from '../protocol/job.ts';
import { machineArchitecture, machineCodename, machineSources } from './machine.ts';
import {
  extraProductSource,
  productSource,
  type ExtraProductSource,
  type ProductSource,
} from './product-source.ts';

/**
 * `blocking`: nothing is published before it has passed; `informative`: it runs after publishing and its result
 * is only shown.
 */
const checkMode = z.enum(['blocking', 'informative', 'off']);
export type CheckMode = z.infer<typeof checkMode>;

const DEFAULT_CHECKS: Record<CheckName, CheckMode> = {
  install: 'blocking',
  lintian: 'off',
  autopkgtest: 'off',
  piuparts: 'off',
  rebuild: 'off',
};
const checksShape = Object.fromEntries(
  CHECK_NAMES.map((name) => [name, checkMode.default(DEFAULT_CHECKS[name])]),
) as Record<CheckName, z.ZodDefault<typeof checkMode>>;

/** Who vouches for an upload, what it may say and hold; docs/uploads.md. */
const uploadPolicy = {
  /** `required`: a known key; `login`: who logged in is enough; `either`: a signature, if any, must hold. */
  signature: z.enum(['required', 'login', 'either']).default('required'),
  /** Names that Distribution may say beside the product's own, the first queue's and `unstable`. */
  distributions: z.array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/)).default([]),
  /** Of one upload. Default: twice the largest source package in Debian main; what a .changes may list. */
  uploadLimits: z
    .strictObject({
      bytes: z
        .number()
        .int()
        .positive()
        .default(8 * 1024 ** 3),
      files: z.number().int().positive().max(2_001).default(2_001),
      /** What one file may say that it unpacks to; nothing in Debian main has a third of the default. */
      unpackedBytes: z
        .number()
        .int()
        .positive()
        .default(64 * 1024 ** 3),
    })
    .prefault({}),
  /** What becomes of uploaded binaries: kept and rebuilt, a reason to reject, or published as they are. */
  binaryUploads: z.enum(['discard', 'refuse', 'accept']).default('discard'),
  /** Who may bring a source that is not there yet: everybody, or whom a rule names. */
  newSources: z.enum(['anyone', 'maintainers']).default('anyone'),
};

const LINE = /^[^\p{Cc}]{1,200}$/u;
const WORD = /^[A-Za-z0-9{][A-Za-z0-9{}._+/-]{0,199}$/;
const releaseName = {
  origin: z.string().regex(LINE),
  label: z.string().regex(LINE),
  suite: z.string().regex(WORD),
  codename: z.string().regex(WORD),
  description: z.string().regex(LINE),
  /** Where changelogs are, with apt's `@CHANGEPATH@` for a package's; `no` for nowhere. */
  changelogs: z.union([z.literal('no'), z.string().regex(/^https?:\/\/\S*@CHANGEPATH@\S*$/u)]).optional(),
};
/** What an archive's Release files say to clients. `{name}`, `{queue}` and `{product}` stand for these. */
export const archiveRelease = z.strictObject({
  origin: releaseName.origin.default('{name}'),
  label: releaseName.label.default('{name} {queue}'),
  suite: releaseName.suite.default('{product}'),
  codename: releaseName.codename.default('{product}'),
  description: releaseName.description.default('{name} {queue} for {product}'),
  changelogs: releaseName.changelogs,
});
/** A product's own go before a queue's, those before `repository.release`; changes are guarded, docs/indexes.md. */
const ownRelease = z.strictObject(releaseName).partial().optional();

export const productSchema = z.strictObject({
  ...uploadPolicy,
  /** Default: the machine's own. The first one builds `Architecture: all`. */
  architectures: z.array(architectureName).min(1).optional(),
  components: z
    .array(z.string().regex(/^[a-z][a-z0-9-]*$/))
    .min(1)
    .default(['main']),
  /** The distribution's archives; default: derived from the machine's own apt sources. */
  sources: z.array(productSource).min(1).optional(),
  /** Repositories that builds see beside these and the first queue. */
  extraSources: z.array(extraProductSource).default([]),
  /** Words for DEB_BUILD_OPTIONS, such as nocheck or parallel=4. */
  buildOptions: z.array(z.string().regex(/^[a-z0-9=.-]+$/)).default([]),
  buildProfiles: z.array(z.string().regex(/^[a-z0-9.-]+$/)).default([]),
  /** Features of hosts that every build needs, see `autobuilder host add --feature`. */
  requires: z.array(featureName).default([]),
  /** A base older than this is made anew at the next build. */
  baseMaxAgeHours: z
    .number()
    .positive()
    .default(7 * 24),
  /** A base older than this is made anew by `garage.bases.schedule`, beside the builds. */
  baseRefreshHours: z.number().positive().default(24),
  /** What a host remembers of packages and installed build-dependencies; 0 for nothing. */
  packageCacheBytes: z
    .number()
    .int()
    .nonnegative()
    .default(4 * 1024 ** 3),
  /** A failed build's target is kept for so long (`autobuilder host shell`); 0 for not at all. */
  keepFailedS: z
    .number()
    .int()
    .nonnegative()
    .max(7 * 24 * 3600)
    .default(0),
  /** Release fields of this product alone. */
  release: ownRelease,
  /** What is tried on built packages, see docs/checks.md. */
  checks: z.strictObject(checksShape).prefault({}),
  lintian: z
    .strictObject({
      /** Tags of these severities fail the check. */
      failOn: z.array(lintianSeverity).min(1).default(['error']),
    })
    .prefault({}),
});

export const queueSchema = z.strictObject({
  /** Release fields of this queue alone. */
  release: ownRelease,
  /** Staging queues: apt installs from them only when asked, and upgrades what came from them. */
  notAutomatic: z.boolean().default(false),
  /** Old versions that stay beside the newest; docs/pool.md. */
  retention: z
    .strictObject({
      /** So many versions of a source for each architecture; 1: a new version replaces the old at once. */
      versions: z.number().int().min(1).max(1_000).default(1),
      /** What is older than these stays so long after a newer version came. */
      days: z.number().nonnegative().max(36_500).default(0),
    })
    .prefault({}),
});

export const commonShape = {
  /** The archive's Origin and Label, and who mails come from. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/)
    .default('Autobuilder'),
  products: z.record(productName, productSchema).optional(),
  /** `mirror` is where live shows local mirrors of other archives. */
  queues: z
    .record(
      queueName.refine((name) => name !== 'mirror', "a queue cannot be called 'mirror'"),
      queueSchema,
    )
    .optional(),
};
const commonSchema = z.strictObject(commonShape);

type UploadPolicy = z.infer<z.ZodObject<typeof uploadPolicy>>;

export interface Product extends UploadPolicy {
  name: string;
  architectures: [string, ...string[]];
  components: string[];
  sources: ProductSource[];
  extraSources: ExtraProductSource[];
  buildOptions: string[];
  buildProfiles: string[];
  requires: string[];
  baseMaxAgeHours: number;
  baseRefreshHours: number;
  packageCacheBytes: number;
  keepFailedS: number;
  release?: z.infer<typeof ownRelease>;
  checks: Record<CheckName, CheckMode>;
  lintian: { failOn: z.infer<typeof lintianSeverity>[] };
}

export interface Queue extends z.infer<typeof queueSchema> {
  name: string;
}

export interface CommonConfig {
  name: string;
  products: Product[];
  /** In order of trust: uploads enter at the first, promotion goes to a later one. */
  queues: [Queue, ...Queue[]];
}

const DEFAULT_QUEUES: [Queue, ...Queue[]] = [
  { name: 'devel', ...queueSchema.parse({ notAutomatic: true }) },
  { name: 'testing', ...queueSchema.parse({ notAutomatic: true }) },
  { name: 'stable', ...queueSchema.parse({}) },
];

/** Fills in what the machine tells: its release as the only product, its architecture, its archives. */
export async function completeCommon(parsed: z.infer<typeof commonSchema>): Promise<CommonConfig> {
  const named = Object.entries(parsed.products ?? { [await machineCodename()]: productSchema.parse({}) });
  const products = await Promise.all(
    named.map(async ([name, product]) => ({
      ...product,
      name,
      architectures: (product.architectures ?? [await machineArchitecture()]) as [string, ...string[]],
      sources: product.sources ?? (await machineSources(name)),
    })),
  );
  const queues = Object.entries(parsed.queues ?? {}).map(([name, queue]) => ({ name, ...queue }));
  return { name: parsed.name, products, queues: queues.length > 0 ? (queues as [Queue]) : DEFAULT_QUEUES };
}
