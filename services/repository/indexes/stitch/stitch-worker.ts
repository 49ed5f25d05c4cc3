/** A thread that stitches, one job after the other; see stitchers.ts. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../../shared/errors/app-error.ts';
import { stitch, type StitchJob } from './stitch.ts';
import type { Answer } from './stitchers.ts';

async function answerTo(job: StitchJob): Promise<Answer> {
  try {
    return { sums: await stitch(job) };
  } catch (error) {
    // An error loses its class on the way between threads; ENOSPC and its like must still be told.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'index-not-written';
    return { code, message: messageOf(error) };
  }
}

parentPort?.on('message', (job: StitchJob) => {
  void answerTo(job).then((answer) => parentPort?.postMessage(answer, []));
});
