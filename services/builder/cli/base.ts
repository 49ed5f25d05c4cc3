/** `base`: makes the base that a job names, so that its first build does not wait for it. */
import { readJob, type Attempt } from '../build/attempt.ts';
import { requireTools } from '../build/host-tools.ts';
import { BuildLog, stdoutSink } from '../logs/build-log.ts';
import { ensureBase } from '../target/base.ts';
import { EXIT } from './exit-codes.ts';

/** Says on stdout what it does. */
export async function base(attempt: Attempt): Promise<number> {
  const job = await readJob(attempt);
  await requireTools(job, 'overlay'); // sbuild takes no part in it
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), job.timeoutS * 1000);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => controller.abort());
  const log = new BuildLog(stdoutSink(), job.maxLogBytes, () => controller.abort());
  try {
    const made = await ensureBase(job.base, { workdir: attempt.workdir, log, signal: controller.signal });
    await made.release();
    log.line(`The base is ${made.folder}`);
    return EXIT.ok;
  } finally {
    clearTimeout(timer);
  }
}
