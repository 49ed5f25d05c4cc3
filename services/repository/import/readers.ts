/** Reads candidates in several threads; what kills a thread is one package's fault and ends nothing. */
import type { Worker } from 'node:worker_threads';
import type { ReadScope } from './read-package.ts';
import type { ReadOutcome, ReadTask } from './reader-thread.ts';
import { askThread, startThread, threadCount } from '../threads/thread.ts';

/** More readers than this wait for the disk and the database, not for a processor. */
const MAX_THREADS = 8;
/** A thread holds a few megabytes; one that needs this much was given something made to need it. */
const THREAD_HEAP_MB = 192;
/** What is read is soon done with: a small nursery keeps the process small. */
const THREAD_YOUNG_MB = 8;
/** The largest packages there are take a minute to sum; a batch that takes this long hangs. */
const BATCH_TIMEOUT_MS = 15 * 60_000;

export interface Readers {
  threads: number;
  /** What became of each task, in order. Throws for errors of ours only. */
  read(thread: number, tasks: readonly ReadTask[]): Promise<ReadOutcome[]>;
  close(): Promise<void>;
}

export function startReaders(scope: ReadScope): Readers {
  const threads = threadCount(MAX_THREADS);
  const workers: (Worker | null)[] = Array.from({ length: threads }, () => null);
  let isClosed = false;
  const ask = async (thread: number, tasks: readonly ReadTask[]): Promise<ReadOutcome[] | null> => {
    if (isClosed) throw new Error('the readers are closed');
    const worker = (workers[thread] ??= startReader(scope));
    const outcomes = await askThread<ReadOutcome[]>(worker, tasks, BATCH_TIMEOUT_MS);
    if (outcomes === null) {
      if (isClosed) throw new Error('the readers are closed');
      workers[thread] = null;
      await worker.terminate();
    }
    return outcomes;
  };
  const read = async (thread: number, tasks: readonly ReadTask[]): Promise<ReadOutcome[]> => {
    const outcomes = await ask(thread, tasks);
    if (outcomes !== null) return outcomes;
    const [only] = tasks;
    if (tasks.length === 1 && only) return [diedOf(only)];
    // One of them killed the thread: each is tried alone.
    const alone: ReadOutcome[] = [];
    for (const task of tasks) alone.push((await ask(thread, [task]))?.[0] ?? diedOf(task));
    return alone;
  };
  return {
    threads,
    read,
    close: async () => {
      isClosed = true;
      for (const worker of workers) await worker?.terminate();
    },
  };
}

function diedOf({ candidate }: ReadTask): ReadOutcome {
  const reason = `${candidate.path} takes more memory or time to read than any package should`;
  return { status: 'refused', stamp: '', code: 'package-too-costly', reason };
}

function startReader(data: ReadScope): Worker {
  const module = new URL('./reader-thread.ts', import.meta.url);
  return startThread(module, { data, limits: { heapMb: THREAD_HEAP_MB, youngMb: THREAD_YOUNG_MB } });
}
