/** Stitches files: small ones here and now, large ones in threads, where each has a processor for its sums. */
import path from 'node:path';
import { settlePaths } from '../../../../shared/files/settle.ts';
import { createThreadPool } from '../../threads/pool.ts';
import { lengthOf, runJob, type FileSums, type StitchJob } from './run-job.ts';

/** From so many bytes on a thread is worth the question: some milliseconds of sums. */
const LARGE_BYTES = 4 * 1024 * 1024;
/** More would only wait for the same disk. */
const MAX_THREADS = 4;
const THREAD_HEAP_MB = 64;
/** A gigabyte takes seconds; a disk that hangs is waited for as long as any program waits. */
const TIMEOUT_MS = 60 * 60_000;

const inThread = createThreadPool<FileSums>({
  ...{ module: new URL('./stitch-thread.ts', import.meta.url), most: MAX_THREADS },
  ...{ heapMb: THREAD_HEAP_MB, timeoutMs: TIMEOUT_MS },
});

/** Does the job, durably; throws `index-stale` when the old content is not what it was. */
export async function stitch(job: StitchJob): Promise<FileSums> {
  // Each try begins anew, so what a thread that ended left is no matter.
  const sums = (bytesOf(job) < LARGE_BYTES ? null : await inThread(job)) ?? runJob(job);
  if (job.target !== null) await settlePaths([job.target], path.dirname(job.target));
  return sums;
}

function bytesOf({ operations }: StitchJob): number {
  return operations.reduce((sum, each) => sum + lengthOf(each), 0);
}
