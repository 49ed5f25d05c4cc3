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
  /** Aborted by a cancel and by each of the job's limits. */
  signal: AbortSignal;
  /** Host folders that the job fills, for its limit on disk; drivers add theirs. */
  places: Set<string>;
}

/** What it takes to enter a target again, see target/kept.ts. */
export interface KeptTarget {
  folder: string;
  lower: string;
}

export interface Driver {
  readonly name: 'overlay' | 'sbuild';
  /** Stages `setup` and `build`. Gives the host folder that holds the results. Throws job failures. */
  build(job: BuildJob): Promise<string>;
  /** Stages `setup` (update, install) and `build` (the command). Throws job failures. */
  install(job: InstallJob): Promise<void>;
  /** Removes the target, in whatever state it is. */
  close(): Promise<void>;
  /** Ends what runs in the target and leaves it in its folder; null when there is none that can be entered again. */
  keep(): Promise<KeptTarget | null>;
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
