/** Threads for work that takes a processor for long, so that the service answers meanwhile. */
import type { Worker } from 'node:worker_threads';
import { createSlots } from '../slots.ts';
import { askThread, startThread, threadCount } from './thread.ts';

/** What they work on lies outside their heaps. */
const YOUNG_MB = 2;

export interface PoolOptions {
  /** Of the module that answers, see `answerAll`. */
  module: URL;
  /** Never more than the machine has processors. */
  most: number;
  heapMb: number;
  /** For one question. */
  timeoutMs: number;
}

/**
 * Threads that start when they are first needed and stay; idle, they keep no process from ending. Returns what asks one
 * of them and resolves to its answer, or to null when the thread ended or was too late.
 */
export function createThreadPool<A>(options: PoolOptions): (question: object) => Promise<A | null> {
  const idle = new Set<Worker>();
  const slots = createSlots(threadCount(options.most));
  const start = (): Worker => {
    const worker = startThread(options.module, { limits: { heapMb: options.heapMb, youngMb: YOUNG_MB } });
    worker.once('exit', () => idle.delete(worker));
    worker.on('error', () => idle.delete(worker)); // whoever asked it is told
    return worker;
  };
  return (question) =>
    slots(async () => {
      const [worker = start()] = idle;
      idle.delete(worker);
      worker.ref();
      try {
        const answer = await askThread<A>(worker, question, options.timeoutMs);
        if (answer === null) await worker.terminate();
        else idle.add(worker);
        return answer;
      } catch (error) {
        idle.add(worker); // its work failed, not the thread
        throw error;
      } finally {
        worker.unref();
      }
    });
}
