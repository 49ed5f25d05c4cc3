import { AppError } from '../../../shared/errors/app-error.ts';

/**
 * Does `work` for each item, at most `count` at a time. After a failure nothing more is begun; the first one is
 * thrown when all that was under way has ended.
 */
export async function eachBounded<T>(
  items: Iterable<T>,
  count: number,
  work: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && failures.length === 0; next = iterator.next()) {
      try {
        if (signal?.aborted === true) throw new AppError('mirror-stopped', 'The update was stopped');
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  if (failures.length > 0) throw failures[0];
}
