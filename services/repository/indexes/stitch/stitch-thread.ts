/** The thread that stitches large files. */
import { answerAll } from '../../threads/thread.ts';
import { runJob } from './run-job.ts';

answerAll(runJob);
