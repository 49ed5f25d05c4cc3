/** A trial build: the real runner builds a tiny package in a clean target, and nothing of it is kept. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Product } from '../../../shared/config/common.ts';
import { buildJob } from '../../../shared/protocol/job.ts';
import type { RunnerBundle } from '../../../shared/runner-bundle/bundle.ts';
import { pushFile } from '../../../shared/ssh/remote-files.ts';
import type { Garage } from '../context.ts';
import { remoteFolder } from '../dispatch/deliver.ts';
import { followLog } from '../dispatch/follow.ts';
import { baseOf, limitsOf } from '../dispatch/job.ts';
import { logTail } from '../dispatch/log-tail.ts';
import { readResult } from '../dispatch/read-result.ts';
import { callRunner, makeFolder, pushRunner, type Remote } from '../dispatch/remote.ts';
import { makeTrialPackage, TRIAL_SOURCE, TRIAL_VERSION, type TrialPackage } from './trial-package.ts';

/** A base is made first where there is none: minutes on a slow line. */
const TIMEOUT_S = 30 * 60;
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** Far above those of builds and checks, whose leftovers are none of ours. */
const TRIAL_SLOT = 9_000;
const SHOWN_LINES = 5;

export interface Trial {
  /** Whether it was built. */
  passed: boolean;
  /** One line for people. */
  says: string;
}

export interface TrialContext {
  garage: Garage;
  remote: Remote;
  bundle: RunnerBundle;
  instance: string;
  /** Ends it, and the runner with it. */
  signal: AbortSignal;
}

/** Builds it for a product on an architecture. Throws what the connection throws, and HostFault. */
export async function tryBuild(
  context: TrialContext,
  product: Product,
  architecture: string,
): Promise<Trial> {
  const { remote, bundle, instance, signal } = context;
  const made = await makeTrialPackage();
  const job = await jobOf(context, product, architecture, made);
  const folder = remoteFolder(remote, instance, job.attempt);
  const scratch = await mkdtemp(path.join(tmpdir(), 'autobuilder-trial-'));
  try {
    await pushRunner(remote, bundle);
    await makeFolder(remote, `${folder}/source`);
    const files = await remote.connection.files();
    for (const { name, bytes } of made.files) await pushFile(files, bytes, `${folder}/source/${name}`);
    await pushFile(files, Buffer.from(JSON.stringify(job)), `${folder}/job.json`);
    await callRunner(remote, ['start', folder]);
    const log = path.join(scratch, 'build.log');
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_S * 1000)]);
    await followLog(remote, folder, log, MAX_LOG_BYTES, limit);
    const { result } = await readResult(remote, folder, job.attempt);
    const took = Object.values(result.stageSeconds).reduce((sum, seconds) => sum + seconds, 0);
    if (result.exitClass === 'success') {
      return { passed: true, says: `built for ${product.name} in ${took.toFixed(1)} s (${result.driver})` };
    }
    const end = await logTail(log, SHOWN_LINES);
    return {
      passed: false,
      says: [`${result.message || result.exitClass}; its log ends:`, ...end].join(' | '),
    };
  } finally {
    await callRunner(remote, ['remove', folder]).catch(() => undefined); // the next trial cleans up
    await rm(scratch, { recursive: true, force: true });
  }
}

async function jobOf(
  { garage, instance }: TrialContext,
  product: Product,
  architecture: string,
  { dsc, files }: TrialPackage,
): Promise<ReturnType<typeof buildJob.parse>> {
  return buildJob.parse({
    ...{ version: 1, kind: 'build', attempt: randomUUID(), instance, slot: TRIAL_SLOT },
    base: await baseOf(garage, product, architecture),
    driver: garage.config.build.driver,
    // What a host can do is asked here, not whether a repository answers.
    extraSources: [],
    limits: limitsOf(garage),
    ...{ timeoutS: TIMEOUT_S, maxLogBytes: MAX_LOG_BYTES, dsc, binaries: 'any' },
    ...{ source: TRIAL_SOURCE, sourceVersion: TRIAL_VERSION, buildOptions: [], buildProfiles: [] },
    files: files.map(({ name, size, sha256 }) => ({ name, size, sha256 })),
  });
}
