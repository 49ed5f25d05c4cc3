/**
 * Stitching on other processors: reading, summing and writing tens of megabytes takes longer than all the rest of
 * a publish together. Small jobs are done at once, here, where sending them away would cost more.
 */
import { Worker } from 'node:worker_threads';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { stitch, type FileSums, type StitchJob } from './stitch.ts';

/** Below that a job takes less time than its way to another thread and back. */
const SMALL_BYTES = 2 * 1024 * 1024;
/** The text and the packed forms of an index; more would only wait for the same disk. */
const MAX_WORKERS = 2;

export type Answer = { sums: FileSums } | { code: string; message: string };

interface Waiting {
  job: StitchJob;
  resolve: (sums: FileSums) => void;
  reject: (error: unknown) => void;
}

interface Stitcher {
  worker: Worker;
  /** What it is at. */
  current: Waiting | null;
}

const stitchers = new Set<Stitcher>();
const waiting: Waiting[] = [];

/** {@link stitch}, in a thread of its own when that pays. */
export async function stitchAside(job: StitchJob): Promise<FileSums> {
  if (bytesOf(job) < SMALL_BYTES) return stitch(job);
  return new Promise((resolve, reject) => {
    waiting.push({ job, resolve, reject });
    giveOut();
  });
}

function bytesOf({ operations }: StitchJob): number {
  return operations.reduce((sum, each) => {
    if ('put' in each) return sum + each.put.length;
    return sum + ('keep' in each ? each.keep : each.drop).length;
  }, 0);
}

function giveOut(): void {
  while (waiting.length > 0) {
    const stitcher = [...stitchers].find((each) => each.current === null) ?? start();
    const next = stitcher ? waiting.shift() : undefined;
    if (!stitcher || !next) return;
    stitcher.current = next;
    stitcher.worker.ref();
    stitcher.worker.postMessage(next.job, []);
  }
}

/** Null when there are enough. */
function start(): Stitcher | null {
  if (stitchers.size >= MAX_WORKERS) return null;
  const worker = new Worker(new URL('./stitch-worker.ts', import.meta.url));
  const stitcher: Stitcher = { worker, current: null };
  stitchers.add(stitcher);
  worker.on('message', (answer: Answer) => {
    const done = stitcher.current;
    stitcher.current = null;
    worker.unref(); // an idle thread keeps no program from ending
    if ('sums' in answer) done?.resolve(answer.sums);
    else done?.reject(new AppError(answer.code, answer.message));
    giveOut();
  });
  worker.on('error', (error) => {
    stitchers.delete(stitcher);
    stitcher.current?.reject(error);
    giveOut();
  });
  return stitcher;
}
