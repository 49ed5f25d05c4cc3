/** An attempt's folder on the host, and the job in it. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { job as jobSchema, type Job } from '../../../shared/protocol/job.ts';

export interface Attempt {
  /** `<workdir>/attempts/<instance>/<id>`. */
  folder: string;
  workdir: string;
  instance: string;
  id: string;
  job: string;
  status: string;
  log: string;
  result: string;
  results: string;
  source: string;
  /** Where the runner's identity stands, see liveness.ts. */
  runner: string;
  /** The throw-away system; removed at the end. */
  target: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The one place for `usage` errors, so that they all read alike. */
export function usageError(message: string, hint?: string): AppError {
  return new AppError('usage', message, hint === undefined ? {} : { hint });
}

/**
 * Names everything in an attempt folder. Throws `usage` when the path is not of the form
 * `<workdir>/attempts/<instance>/<uuid>`: a wrong path must never be cleaned or removed.
 */
export function attemptAt(folderArgument: string): Attempt {
  const folder = path.resolve(folderArgument);
  const id = path.basename(folder);
  const instance = path.basename(path.dirname(folder));
  const attempts = path.dirname(path.dirname(folder));
  if (!UUID.test(id) || !/^[a-z0-9-]{1,64}$/.test(instance) || path.basename(attempts) !== 'attempts') {
    throw usageError(
      `'${folderArgument}' is not an attempt folder`,
      'It has the form <workdir>/attempts/<instance>/<attempt id>',
    );
  }
  const inside = (name: string): string => path.join(folder, name);
  return {
    folder,
    workdir: path.dirname(attempts),
    instance,
    id,
    job: inside('job.json'),
    status: inside('status.json'),
    log: inside('build.log'),
    result: inside('result.json'),
    results: inside('results'),
    source: inside('source'),
    runner: inside('runner.json'),
    target: inside('target'),
  };
}

function listed(job: Job, name: string): boolean {
  return 'files' in job && job.files.some((file) => file.name === name);
}

function checkJob(job: Job, attempt: Attempt): Job {
  if (job.attempt !== attempt.id || job.instance !== attempt.instance) {
    throw usageError(`job.json is of attempt ${job.instance}/${job.attempt}, its folder is another's`);
  }
  const needed = job.kind === 'build' ? [job.dsc] : job.kind === 'check' ? [...job.packages, job.dsc] : [];
  const lacking = needed.find((name) => name !== undefined && !listed(job, name));
  if (lacking !== undefined) throw usageError(`job.json does not list '${lacking}' among its files`);
  if (/[:,\\\s]/.test(attempt.workdir)) {
    throw usageError(`The work folder '${attempt.workdir}' has a character that mount options cannot carry`);
  }
  return job;
}

/** The attempt's job. Throws `usage` when it is missing or not in the form. */
export async function readJob(attempt: Attempt): Promise<Job> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(attempt.job, 'utf8'));
  } catch (error) {
    throw usageError(`${attempt.job} cannot be read: ${messageOf(error)}`);
  }
  const parsed = jobSchema.safeParse(content);
  if (parsed.success) return checkJob(parsed.data, attempt);
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw usageError(`${attempt.job} is not in the form: ${issues.slice(0, 5).join('; ')}`);
}
