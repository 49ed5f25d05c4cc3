/** A child process that a stream goes through, such as a decompressor; the same discipline as `run`. */
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { AppError } from '../errors/app-error.ts';
import { KILL_AFTER_MS, killGroup, minimalEnvironment } from './run.ts';

export interface FilterOptions {
  /** The whole group is ended then: TERM, and KILL after `KILL_AFTER_MS`. */
  timeoutMs: number;
}

/** What a child says at its end, for the error. */
const MAX_STDERR_BYTES = 4_096;

/**
 * Passes `input` through a program and yields its output as it comes; the caller bounds how much it takes. A
 * caller that stops early ends the program. Throws `process-failed`, `process-not-started`, and what
 * `input` fails with.
 */
export async function* filterThrough(
  argv: readonly [string, ...string[]],
  input: Readable,
  options: FilterOptions,
): AsyncGenerator<Buffer> {
  const [command, ...args] = argv;
  const env = minimalEnvironment();
  const child = spawn(command, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  let isStarted = true;
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      isStarted = false;
      resolve(`could not be started: ${error.message}`);
    });
    child.once('close', (code, signal) => resolve(code === 0 ? '' : (signal ?? `exit ${String(code)}`)));
  });
  let killTimer: NodeJS.Timeout | undefined;
  const end = (): void => {
    killGroup(child, 'SIGTERM');
    killTimer ??= setTimeout(() => killGroup(child, 'SIGKILL'), KILL_AFTER_MS);
  };
  const timer = setTimeout(end, options.timeoutMs);
  let stderr = '';
  child.stderr.on('data', (bytes: Buffer) => (stderr = (stderr + bytes.toString()).slice(-MAX_STDERR_BYTES)));
  child.stdin.on('error', () => undefined); // one that does not read its input is judged by its exit code
  input.on('error', end);
  input.pipe(child.stdin);
  let isDone = false;
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    isDone = true;
  } finally {
    input.destroy();
    if (!isDone) end();
    await ended;
    clearTimeout(timer);
    clearTimeout(killTimer);
  }
  const failure = await ended;
  if (input.errored) throw input.errored;
  if (failure !== '')
    throw new AppError(
      isStarted ? 'process-failed' : 'process-not-started',
      `${command} failed (${failure}): ${stderr.trim()}`,
    );
}
