/**
 * How an attempt stops short: a fault of the host (HostFault: the attempt is over and the build given back),
 * a job that cannot be made (JobFault: ours), nobody wanting it any more (Withdrawn), and everything else (a broken connection, a
 * full disk here, a database that is away), which is tried again for as long as the lease lasts.
 */
import { AppError } from '../../../shared/errors/app-error.ts';

/** The host did what it must not, or could not do what it must; `message` is one sentence for people. */
export class HostFault extends AppError {
  constructor(message: string, cause?: unknown) {
    super('host-fault', message, cause === undefined ? {} : { cause });
    this.name = 'HostFault';
  }
}

/** The build was cancelled or superseded, or the attempt is finished already. */
export class Withdrawn extends AppError {
  constructor() {
    super('attempt-withdrawn', 'Nobody waits for this attempt any more');
    this.name = 'Withdrawn';
  }
}

/** No job can be made of what is configured and stored; trying again is no use. */
export class JobFault extends AppError {
  constructor(message: string, cause?: unknown) {
    super('job-fault', message, cause === undefined ? {} : { cause });
    this.name = 'JobFault';
  }
}
