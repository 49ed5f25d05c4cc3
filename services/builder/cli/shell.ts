/** `shell`: a shell in the kept target of a failed job, on this process's stdin and stdout. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { tryLockFile } from '../../../shared/files/lock.ts';
import { minimalEnvironment } from '../../../shared/process/run.ts';
import { readJob, usageError, type Attempt } from '../build/attempt.ts';
import type { TargetSpec } from '../target/frames.ts';
import { keptTarget, prepareAgain } from '../target/kept.ts';
import { namespaceArgv } from '../target/target.ts';

/** `<TERM>,<rows>,<columns>` of the admin's terminal. */
const TERMINAL = /^[a-zA-Z0-9.+-]{1,40},[0-9]{1,4},[0-9]{1,4}$/;
const NO_TERMINAL = 'dumb,24,80';

/**
 * Ends with the shell's exit code, or when the target's time is over. Nothing of what failed runs there: it is
 * the system as it was left, with a network as in setup. Throws `usage` when it is not kept, or somebody is in
 * it already.
 */
export async function shell(attempt: Attempt, terminal = NO_TERMINAL): Promise<number> {
  if (!TERMINAL.test(terminal)) throw usageError(`'${terminal}' is no terminal`);
  await readJob(attempt);
  const kept = keptTarget(attempt);
  if (kept === null) throw usageError(`The target of attempt ${attempt.id} is not kept`);
  const lock = await tryLockFile(path.join(attempt.folder, 'shell.lock'), 'exclusive');
  if (lock === null) throw usageError('Somebody has a shell in this target');
  try {
    await prepareAgain(attempt.target);
    const spec: TargetSpec = { kind: 'overlay', folder: attempt.target, lower: kept.lower, sealed: false };
    const [command, ...args] = namespaceArgv(['inside-shell', JSON.stringify(spec), terminal]);
    const child = spawn(command, args, { cwd: '/', env: minimalEnvironment(), stdio: 'inherit' });
    const timer = setTimeout(() => child.kill('SIGKILL'), kept.untilMs - Date.now());
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(timer);
    return code ?? 1;
  } finally {
    await lock.release();
  }
}
