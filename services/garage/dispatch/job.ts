/** The job.json of an attempt. */
import type { Product } from '../../../shared/config/common.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { buildJob, type BaseSpec, type BuildJob, type ExtraSource } from '../../../shared/protocol/job.ts';
import type { Garage } from '../context.ts';
import { JobFault } from './faults.ts';
import { baseSources, furtherSources } from './mirror-sources.ts';
import type { AttemptRow } from './rows.ts';

/** The configured product. Throws JobFault when it was taken out of the configuration meanwhile. */
export function productOf(garage: Pick<Garage, 'common'>, name: string): Product {
  const product = garage.common.products.find((each) => each.name === name);
  if (product) return product;
  throw new JobFault(`Product '${name}' is not configured any more`);
}

/** The base of a product on an architecture, as every job there names it. Throws what mirror-sources.ts does. */
export async function baseOf(
  garage: Pick<Garage, 'config' | 'pool'>,
  product: Product,
  architecture: string,
): Promise<BaseSpec> {
  const sources = await baseSources(garage, product, architecture);
  return { product: product.name, architecture, sources, maxAgeHours: product.baseMaxAgeHours };
}

/** What a build may use, by the configuration. */
export function limitsOf(garage: Garage): NonNullable<BuildJob['limits']> {
  const { silenceS, maxMemoryBytes, maxDiskBytes, minFreeBytes, maxProcesses } = garage.config.build;
  return {
    ...{ silenceS, minFreeBytes, memoryBytes: maxMemoryBytes },
    ...{ diskBytes: maxDiskBytes, processes: maxProcesses },
  };
}

/** How long the target of a failure is kept: by the product, or because somebody asked for this build's. */
function keepFailedS(product: Product, attempt: AttemptRow): number {
  return Math.max(product.keepFailedS, attempt.keepFailedS);
}

/** Throws JobFault when something of it is not in the form, and what mirror-sources.ts throws. */
export async function makeJob(
  garage: Garage,
  attempt: AttemptRow,
  instance: string,
  devel: ExtraSource,
): Promise<BuildJob> {
  const product = productOf(garage, attempt.product);
  const keep = keepFailedS(product, attempt);
  const maxBytes = product.packageCacheBytes;
  const { driver, timeoutS, maxLogBytes } = garage.config.build;
  const parsed = buildJob.safeParse({
    version: 1,
    kind: 'build',
    attempt: attempt.id,
    instance,
    slot: attempt.slot,
    base: await baseOf(garage, product, attempt.architecture),
    driver,
    extraSources: [devel, ...(await furtherSources(garage, product, attempt.architecture))],
    timeoutS: Math.min(timeoutS, attempt.host.maxBuildS ?? timeoutS),
    maxLogBytes,
    limits: limitsOf(garage),
    ...(keep > 0 ? { keepFailedS: keep } : {}),
    ...(maxBytes > 0 ? { packageCache: { maxBytes } } : {}),
    source: attempt.source,
    sourceVersion: attempt.version,
    dsc: attempt.dsc,
    files: attempt.files,
    binaries: attempt.binaries,
    buildOptions: product.buildOptions,
    buildProfiles: product.buildProfiles,
  });
  if (parsed.success) return parsed.data;
  throw new JobFault(`No job can be made: ${messageOf(parsed.error)}`, parsed.error);
}
