/** Ends an attempt's runner from outside. */
import type { Attempt } from './attempt.ts';
import { runnerIdentity, runnerState } from './liveness.ts';
import { pollUntil } from './poll.ts';

/** A runner that is told to end kills its children, removes its target and writes a result. */
const TERM_WAIT_MS = 30_000;
/** The kernel needs moments after KILL, more when the disk is slow. */
const KILL_WAIT_MS = 5_000;

function signalRunner(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

/** TERM, and KILL for the whole group when that does not help. Returns once the runner is gone. */
export async function stopRunner(attempt: Attempt): Promise<void> {
  const known = runnerIdentity(attempt);
  if (known === null) return;
  const isGone = (): boolean => runnerState(attempt) !== 'alive';
  if (isGone()) return;
  signalRunner(known.pid, 'SIGTERM');
  if (await pollUntil(isGone, TERM_WAIT_MS)) return;
  signalRunner(known.pid, 'SIGKILL');
  await pollUntil(isGone, KILL_WAIT_MS);
}
