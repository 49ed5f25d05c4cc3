/** The job.json of an attempt. */
import type { Product } from '../../../shared/config/common.ts';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { buildJob, type AptSource, type BuildJob } from '../../../shared/protocol/job.ts';
import type { Garage } from '../context.ts';
import { JobFault } from './faults.ts';
import type { AttemptRow } from './rows.ts';

/** The configured product. Throws JobFault when it was taken out of the configuration meanwhile. */
export function productOf(garage: Pick<Garage, 'common'>, name: string): Product {
  const product = garage.common.products.find((each) => each.name === name);
  if (product) return product;
  throw new JobFault(`Product '${name}' is not configured any more`);
}

/** Throws JobFault when something of it is not in the form. */
export function makeJob(garage: Garage, attempt: AttemptRow, instance: string, devel: AptSource): BuildJob {
  const product = productOf(garage, attempt.product);
  const { driver, timeoutS, maxLogBytes } = garage.config.build;
  const parsed = buildJob.safeParse({
    version: 1,
    kind: 'build',
    attempt: attempt.id,
    instance,
    slot: attempt.slot,
    base: {
      product: product.name,
      architecture: attempt.architecture,
      sources: product.sources,
      maxAgeHours: product.baseMaxAgeHours,
    },
    driver,
    extraSources: [devel],
    timeoutS,
    maxLogBytes,
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
