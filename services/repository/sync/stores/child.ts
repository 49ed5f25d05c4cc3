/**
 * Programs that write to a target. They die with this process: one that outlived it could bring an older state
 * after the next start has brought a newer one.
 */
import { run, type RunOptions, type RunResult } from '../../../../shared/process/run.ts';

/** What a listing may print: some million files. */
export const MAX_LIST_BYTES = 256 * 1024 * 1024;

/** {@link run}, with setpriv(1) before it: the kernel ends the program when its parent dies, however. */
export function runBound(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
  return run(['setpriv', '--pdeathsig', 'KILL', '--', ...argv], options);
}
