/** When a mirror is looked at again. */
import { createTask } from 'node-cron';

/** After a failure; doubled at each further one. An archive that is being written is done by then. */
const RETRY_FIRST_MS = 5 * 60_000;
const RETRY_MAX_MS = 6 * 3600_000;

/** The next time that a cron expression means, after now. */
export function nextRun(expression: string): Date | null {
  const task = createTask(expression, () => undefined);
  try {
    return task.getNextRuns(1)[0] ?? null; // getNextRun knows nothing before the start
  } finally {
    void task.destroy();
  }
}

/** After so many failures in a row: the schedule's next time, or sooner. */
export function nextRetry(expression: string, failures: number, now: Date): Date {
  const waitMs = Math.min(RETRY_FIRST_MS * 2 ** Math.min(failures, 16), RETRY_MAX_MS);
  const retry = new Date(now.getTime() + waitMs);
  const scheduled = nextRun(expression);
  return scheduled && scheduled < retry ? scheduled : retry;
}
