/** The thread that stitches large files. */
import { answerAll } from '../../threads/thread.ts';
import { runJob, type StitchJob } from './run-job.ts';

answerAll((job: StitchJob) => Promise.resolve().then(() => runJob(job)));
