/** Stage `setup` of a build: from a fresh target to one with the build-dependencies, by the shortest honest way. */
import path from 'node:path';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import { installBuildDependencies, planBuildDependencies } from './dependencies.ts';
import type { DriverContext } from './driver.ts';
import { findLayer, layerKey, makeLayer, type Layer } from './layers.ts';
import { harvestArchives, inCache, seedArchives, trimCache } from './package-cache.ts';
import { bringLists } from './setup.ts';
import type { Target } from './target.ts';

export interface Ready {
  target: Target;
  /** To be released once the target is gone. */
  layer: Layer | null;
}

/** Opens a target over `layer`, or over the base alone; the one before must be gone. */
export type OpenTarget = (layer: Layer | null) => Promise<Target>;

/** A target with the job's build-dependencies. Throws `job-dep-wait` and `job-machine`. */
export async function readyTarget(context: DriverContext, job: BuildJob, open: OpenTarget): Promise<Ready> {
  const { base } = context;
  const target = await open(null);
  const areListsOld = await bringLists(target, base, job);
  const plan = job.packageCache === undefined ? null : await planBuildDependencies(target, job);
  if (plan === null || plan.length === 0) {
    await installBuildDependencies(target, job, areListsOld);
    return { target, layer: null };
  }
  const { attempt, log } = context;
  const key = await layerKey(base, job, path.join(attempt.source, job.dsc), plan);
  const known = await findLayer(attempt.workdir, key);
  if (known !== null) {
    log.line(`The build-dependencies, ${String(plan.length)} packages, are there as layer ${key}:`);
    for (const { name } of plan) log.line(`  ${name}`);
    await target.remove();
    return { target: await open(known), layer: known };
  }
  const { workdir } = attempt;
  const cached = await inCache(workdir, plan);
  if (cached.length > 0) {
    log.line(`${String(cached.length)} of ${String(plan.length)} packages are in the package cache`);
    await target.stop();
    await seedArchives(workdir, target.written, cached);
    await target.resume();
  }
  await installBuildDependencies(target, job, areListsOld);
  await target.stop();
  await harvestArchives(workdir, target.written, plan);
  const layer = await makeLayer(workdir, key, target.written, attempt.id);
  await target.remove();
  await trimCache(workdir, job.packageCache?.maxBytes ?? 0, log);
  return { target: await open(layer), layer };
}
