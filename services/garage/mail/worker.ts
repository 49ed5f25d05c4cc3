/**
 * Side jobs on graphile-worker: one job for each waiting mail, with its retries and growing waits.
 *
 * The mails table is the truth, the jobs only carry the retries: the sweep gives each waiting mail a job
 * unless it has one, so jobs that were lost come back. After the last try, or when the server refuses it for
 * good, the mail is `failed`, for an admin to see and to send again. Once a server that was away takes one
 * mail, all that waited for it go at once.
 */
import { Logger as WorkerLogger, run, runMigrations, type JobHelpers, type Runner } from 'graphile-worker';
import { z } from 'zod';
import type { Garage } from '../context.ts';
import { deliverMail, unsentMails } from './deliver.ts';
import { readFailure } from './failure.ts';

const TASK = 'deliver-mail';
/** By graphile-worker's waits (exp(attempt) seconds, at most exp(10)): about four days of trying. */
const MAX_ATTEMPTS = 25;
/** Mails in flight; a provider dislikes more from one sender. */
const CONCURRENCY = 2;
/** Let go at once when a server is back; the others follow when these are through. */
const MAX_WOKEN = 200;

const payloadSchema = z.strictObject({ id: z.string() });

export interface Worker {
  /** Gives each waiting mail a job; a round function for buildme. */
  sweep(): Promise<void>;
  stop(): Promise<void>;
}

/** The key of a mail's job: one job a mail. */
export const jobKey = (id: string): string => `mail-${id}`;

/** Starts working in the background and sweeps once. */
export async function startWorker(garage: Garage): Promise<Worker> {
  await runMigrations({ connectionString: garage.databaseUrl });
  await unlockJobs(garage);
  const runner = await run({
    connectionString: garage.databaseUrl,
    concurrency: CONCURRENCY,
    noHandleSignals: true,
    logger: workerLogger(garage),
    taskList: {
      [TASK]: async (payload, helpers) => {
        await work(garage, payloadSchema.parse(payload).id, helpers);
      },
    },
  });
  const worker: Worker = { sweep: () => addJobs(garage, runner), stop: () => runner.stop() };
  await worker.sweep();
  return worker;
}

async function work(garage: Garage, id: string, helpers: JobHelpers): Promise<void> {
  try {
    const outcome = await deliverMail(garage, id);
    if (outcome === 'sent') await wakeOthers(garage);
    if (outcome === 'refused') garage.log.warn({ mail: id }, 'the mail server refuses a mail for good');
  } catch (error) {
    if (helpers.job.attempts < helpers.job.max_attempts) throw error;
    const reason = readFailure(error).message;
    garage.log.error({ mail: id, reason }, 'a mail is given up; see: autobuilder mail list');
    await garage.pool.query(`update mails set status = 'failed' where id = $1 and status = 'queued'`, [id]);
  }
}

/** Jobs of a garage that was killed stay locked for hours. The mail's own row lock keeps two senders apart. */
async function unlockJobs(garage: Garage): Promise<void> {
  await garage.pool.query(
    `select graphile_worker.force_unlock_workers(array(
       select distinct locked_by from graphile_worker.jobs where task_identifier = $1 and locked_by is not null))`,
    [TASK],
  );
}

async function wakeOthers(garage: Garage): Promise<void> {
  await garage.pool.query(
    `select graphile_worker.reschedule_jobs(array(
              select j.id from graphile_worker.jobs j join mails m on j.key = 'mail-' || m.id
               where m.status = 'queued' and m.error_kind = 'server' and j.run_at > now() and j.locked_at is null
               order by j.id limit $1), run_at := now())`,
    [MAX_WOKEN],
  );
}

async function addJobs(garage: Garage, runner: Runner): Promise<void> {
  for (const id of await unsentMails(garage)) {
    // A job that waits for its next try keeps its count of tries and its time: nothing is replaced.
    const options = { jobKey: jobKey(id), jobKeyMode: 'unsafe_dedupe', maxAttempts: MAX_ATTEMPTS } as const;
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
