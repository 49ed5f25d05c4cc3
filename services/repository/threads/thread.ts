/** Threads that are asked one question at a time. */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parentPort, Worker } from 'node:worker_threads';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';

/** What is left of an error that crosses over: a known one's code, or the system's. */
interface Failure {
  message: string;
  code: string | undefined;
  isKnown: boolean;
}

type Answer<T> = { found: T } | { failed: Failure };

export interface ThreadOptions {
  /** What it finds as `workerData`. */
  data?: unknown;
  limits?: {
    heapMb: number;
    /** Of its heap, for what is soon done with: kept small, or each thread would grow by tens of megabytes. */
    youngMb: number;
  };
}

/** Starts a thread of a module that answers, see {@link answerAll}. */
export function startThread(module: URL, { data, limits }: ThreadOptions): Worker {
  return new Worker(module, {
    workerData: data,
    ...(limits && {
      resourceLimits: { maxOldGenerationSizeMb: limits.heapMb, maxYoungGenerationSizeMb: limits.youngMb },
    }),
    // Flags that the main thread was started with may be none for threads.
    execArgv: [],
  });
}

/** So many threads as the machine has processors for, `most` at the most. */
export function threadCount(most: number): number {
  return Math.min(most, Math.max(1, availableParallelism()));
}

/**
 * What the thread answers; null when it ended, or did not answer within `timeoutMs`. Throws what its work threw: the
 * same AppError, or an error with the same message and the system's code.
 */
export async function askThread<T>(worker: Worker, question: unknown, timeoutMs: number): Promise<T | null> {
  const ending = new AbortController();
  const { signal } = ending;
  const timer = setTimeout(() => ending.abort(), timeoutMs);
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    worker.postMessage(question);
    const answer = await Promise.race([
      once(worker, 'message', { signal }).then(([message]) => message as Answer<T>),
      once(worker, 'exit', { signal }).then(() => null),
    ]).catch(() => null); // out of memory, or too late
    if (answer === null || 'found' in answer) return answer && answer.found;
    const { message, code, isKnown } = answer.failed;
    throw isKnown ? new AppError(code ?? '', message) : Object.assign(new Error(message), { code });
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
}

/** In a thread: answers each question with what `work` makes of it. */
export function answerAll<T>(work: (question: never) => Promise<T>): void {
  const answer = async (question: never): Promise<void> => {
    const answered = await work(question).then(
      (found): Answer<T> => ({ found }),
      (error: unknown): Answer<T> => ({ failed: failureOf(error) }),
    );
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    parentPort?.postMessage(answered);
  };
  parentPort?.on('message', (question: unknown) => void answer(question as never));
}

function failureOf(error: unknown): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  return { message: messageOf(error), code, isKnown: error instanceof AppError };
}
