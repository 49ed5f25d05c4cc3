/** `start` and the detached `run` behind it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { readJob, type Attempt } from '../build/attempt.ts';
import { claimAttempt, runnerState } from '../build/liveness.ts';
import { pollUntil } from '../build/poll.ts';
import { runJob } from '../build/run-job.ts';
import { readResult, readStatus, settleDead, writeStatus } from '../results/state-files.ts';
import { EXIT } from './exit-codes.ts';

/** Node starts in 50 ms; a host at its limits takes longer. */
const START_WAIT_MS = 20_000;

/** What the detached process says before it has a log. */
function outputFile(attempt: Attempt): string {
  return path.join(attempt.folder, 'runner.out');
}

function spawnDetached(attempt: Attempt): ChildProcess {
  const output = openSync(outputFile(attempt), 'a', 0o644);
  const child = spawn(process.execPath, [process.argv[1] ?? '', 'run', attempt.folder], {
    cwd: '/',
    detached: true, // a session of its own
    stdio: ['ignore', output, output],
  });
  child.on('error', () => undefined); // told by the status that does not come
  child.unref();
  closeSync(output);
  return child;
}

/**
 * Starts the attempt's job once and returns when it has a status. A second start finds the first one's
 * runner, or its result; one whose runner died is given its result instead of a second run.
 */
export async function start(attempt: Attempt): Promise<number> {
  await readJob(attempt);
  if (readResult(attempt) !== null) return EXIT.ok;
  if (runnerState(attempt) === 'dead') {
    await settleDead(attempt);
    return EXIT.ok;
  }
  const child = runnerState(attempt) === 'none' ? spawnDetached(attempt) : null;
  const hasFailed = (): boolean => child !== null && child.exitCode !== null && child.exitCode !== EXIT.ok;
  await pollUntil(() => readStatus(attempt) !== null || hasFailed(), START_WAIT_MS);
  if (readStatus(attempt) !== null) return EXIT.ok;
  const said = await readFile(outputFile(attempt), 'utf8').catch(() => '');
  throw new AppError('runner-not-started', `The runner did not start: ${said.trim().slice(-500)}`);
}

/** The detached process. A second one for the same attempt leaves at once. */
export async function runDetached(attempt: Attempt): Promise<number> {
  const job = await readJob(attempt);
  if (!(await claimAttempt(attempt))) return EXIT.ok;
  await writeStatus(attempt, 'init', process.pid);
  return runJob(attempt, job);
}
