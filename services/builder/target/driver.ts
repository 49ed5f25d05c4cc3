/** What a driver is: one way to a clean target. Everything above it is the same for all. */
import type { BuildJob, InstallJob, Job } from '../../../shared/protocol/job.ts';
import type { Attempt } from '../build/attempt.ts';
import type { Stages } from '../build/stages.ts';
import type { BuildLog } from '../logs/build-log.ts';
import type { Base } from './base.ts';
import { canOverlay } from './overlay-check.ts';
import { OverlayDriver } from './overlay-driver.ts';
import { SbuildDriver } from './sbuild-driver.ts';

export interface DriverContext {
  attempt: Attempt;
  base: Base;
  stages: Stages;
  log: BuildLog;
  /** Aborted by a cancel, the job's time limit or the log's size. */
  signal: AbortSignal;
}

export interface Driver {
  readonly name: 'overlay' | 'sbuild';
  /** Stages `setup` and `build`. Gives the host folder that holds the results. Throws job failures. */
  build(job: BuildJob): Promise<string>;
  /** Stages `setup` (update, install) and `build` (the command). Throws job failures. */
  install(job: InstallJob): Promise<void>;
  /** Removes the target, in whatever state it is. */
  close(): Promise<void>;
}

/** The driver that a job gets on this host. */
export async function driverNameFor(job: Job, workdir: string): Promise<Driver['name']> {
  if (job.driver !== 'auto') return job.driver;
  return (await canOverlay(workdir)) ? 'overlay' : 'sbuild';
}

/** Nothing is made yet; the driver's methods do that. */
export function openDriver(name: Driver['name'], context: DriverContext): Driver {
  return name === 'overlay' ? new OverlayDriver(context) : new SbuildDriver(context);
}
