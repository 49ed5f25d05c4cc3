/**
 * Side jobs on graphile-worker: one job for each unsent mail, with its retries and growing waits.
 *
 * The mails table is the truth, the jobs only carry the retries: the sweep gives each unsent mail a job
 * unless it has one, so jobs that were lost come back. After the last try the job stays as failed and the
 * mail as unsent, for an admin to see.
 */
import { Logger as WorkerLogger, run, type Runner } from 'graphile-worker';
import { z } from 'zod';
import type { Garage } from '../context.ts';
import { deliverMail, unsentMails } from './deliver.ts';

const TASK = 'deliver-mail';
/** By graphile-worker's waits (exp(attempt) seconds, at most exp(10)): about four days of trying. */
const MAX_ATTEMPTS = 25;
/** Mails in flight; a provider dislikes more from one sender. */
const CONCURRENCY = 2;

const payloadSchema = z.strictObject({ id: z.string() });

export interface Worker {
  /** Gives each unsent mail a job; a round function for buildme. */
  sweep(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts working in the background and sweeps once. */
export async function startWorker(garage: Garage): Promise<Worker> {
  const runner = await run({
    connectionString: garage.databaseUrl,
    concurrency: CONCURRENCY,
    noHandleSignals: true,
    logger: workerLogger(garage),
    taskList: {
      [TASK]: async (payload) => {
        await deliverMail(garage, payloadSchema.parse(payload).id);
      },
    },
  });
  const worker: Worker = { sweep: () => addJobs(garage, runner), stop: () => runner.stop() };
  await worker.sweep();
  return worker;
}

async function addJobs(garage: Garage, runner: Runner): Promise<void> {
  for (const id of await unsentMails(garage)) {
    // A job that waits for its next try keeps its count of tries and its time: nothing is replaced.
    const options = { jobKey: `mail-${id}`, jobKeyMode: 'unsafe_dedupe', maxAttempts: MAX_ATTEMPTS } as const;
    await runner.addJob(TASK, { id }, options);
  }
}

function workerLogger(garage: Garage): WorkerLogger {
  const log = garage.log.child({ part: 'worker' });
  return new WorkerLogger((scope) => (level, message) => {
    const facts = { task: scope.taskIdentifier, job: scope.jobId };
    const name: string = level;
    if (name === 'error') log.error(facts, message);
    else if (name === 'warning') log.warn(facts, message);
    else log.debug(facts, message);
  });
}
