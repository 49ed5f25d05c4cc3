/** A child process whose output is passed on while it runs; the same discipline as `run`. */
import { spawn } from 'node:child_process';
import { AppError } from '../errors/app-error.ts';
import { KILL_AFTER_MS, killGroup, minimalEnvironment } from './run.ts';

export interface StreamOptions {
  cwd?: string;
  /** The whole environment; default: {@link minimalEnvironment}. */
  env?: Record<string, string>;
  /** Ends the whole group: TERM, and KILL after `KILL_AFTER_MS`. */
  signal?: AbortSignal;
  /** stdout and stderr, in the order in which they arrive. */
  onOutput: (chunk: Buffer) => void;
}

export interface StreamResult {
  /** null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** True when `signal` of the options ended it. */
  aborted: boolean;
}

/** How long output may still come from a grandchild that holds the pipe after the child's end. */
const DRAIN_MS = 2_000;

/** Runs a program to its end. Throws `process-not-found` or `process-not-started` only. */
export async function runStreaming(
  argv: readonly [string, ...string[]],
  options: StreamOptions,
): Promise<StreamResult> {
  const [command, ...args] = argv;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? minimalEnvironment(),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let killTimer: NodeJS.Timeout | undefined;
  let drainTimer: NodeJS.Timeout | undefined;
  let aborted = false;
  const onAbort = (): void => {
    aborted = true;
    killGroup(child, 'SIGTERM');
    killTimer ??= setTimeout(() => killGroup(child, 'SIGKILL'), KILL_AFTER_MS);
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  child.stdout.on('data', options.onOutput);
  child.stderr.on('data', options.onOutput);
  child.once('exit', () => {
    drainTimer = setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
    }, DRAIN_MS);
  });
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const stable = error.code === 'ENOENT' ? 'process-not-found' : 'process-not-started';
        reject(new AppError(stable, `${command} could not be started: ${error.message}`, { cause: error }));
      });
      child.once('close', (exitCode, exitSignal) => resolve([exitCode, exitSignal]));
    });
    return { code, signal, aborted };
  } finally {
    clearTimeout(killTimer);
    clearTimeout(drainTimer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}
