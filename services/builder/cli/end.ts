/** `cancel` and `remove`. */
import type { Attempt } from '../build/attempt.ts';
import { removeAttempt } from '../build/leftovers.ts';
import { runnerState } from '../build/liveness.ts';
import { stopRunner } from '../build/stop-runner.ts';
import { settleDead } from '../results/state-files.ts';
import { removeTree } from '../target/userns.ts';
import { EXIT } from './exit-codes.ts';

/**
 * Ends the job; returns when it has its result. An attempt that was done before keeps the one it has, one
 * that never started has none.
 */
export async function cancel(attempt: Attempt): Promise<number> {
  const wasAlive = runnerState(attempt) === 'alive';
  await stopRunner(attempt);
  if (wasAlive) await settleDead(attempt, 'cancelled', 'The job was cancelled');
  else await settleDead(attempt);
  await removeTree(attempt.target); // is there only when the runner had to be killed
  return EXIT.ok;
}

/** Removes the attempt and whatever it left; one that is gone is no error. */
export async function remove(attempt: Attempt): Promise<number> {
  await removeAttempt(attempt);
  return EXIT.ok;
}
