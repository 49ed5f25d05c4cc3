/**
 * Child processes, one way: an argv array (never a shell), a process group of its own, a time limit,
 * an output cap, TERM and then KILL for the whole group.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { AppError } from '../errors/app-error.ts';

export interface RunOptions {
  cwd?: string;
  /** The whole environment; default: PATH, HOME and LANG of this process only. */
  env?: Record<string, string>;
  /** Default 60,000. The group gets TERM at the limit and KILL {@link KILL_AFTER_MS} later. */
  timeoutMs?: number;
  /** Cap for stdout and for stderr each; past it the group is killed. Default 16 MiB. */
  maxOutputBytes?: number;
  /** Written to stdin, which is then closed. */
  input?: string | Uint8Array;
  uid?: number;
  gid?: number;
  signal?: AbortSignal;
  /** Exit codes that do not throw in {@link runChecked}; default [0]. */
  okCodes?: number[];
}

export interface RunResult {
  /** null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: Buffer;
  /** Why this module ended it, if it did. */
  endedBy: 'timeout' | 'output-limit' | 'abort' | null;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** Time a group has between TERM and KILL. */
export const KILL_AFTER_MS = 5_000;

/** PATH, HOME and LANG: what a child sees unless told otherwise, so no secret leaks through the environment. */
export function minimalEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
    HOME: process.env['HOME'] ?? '/',
    LANG: 'C.UTF-8',
    ...extra,
  };
}

/** Signals a child's whole group; a group that is gone is no error. */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

/**
 * Runs a program to its end and returns what happened; throws only when it cannot be started
 * (`process-not-found`, `process-not-started`).
 */
export async function run(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<RunResult> {
  const [command, ...args] = argv;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? minimalEnvironment(),
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  let endedBy: RunResult['endedBy'] = null;
  let killTimer: NodeJS.Timeout | undefined;
  const end = (reason: NonNullable<RunResult['endedBy']>): void => {
    endedBy ??= reason;
    killGroup(child, 'SIGTERM');
    killTimer ??= setTimeout(() => killGroup(child, 'SIGKILL'), KILL_AFTER_MS);
  };
  const onAbort = (): void => end('abort');
  const timer = setTimeout(() => end('timeout'), options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) onAbort();

  const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const collect = (stream: NodeJS.ReadableStream): Buffer[] => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) end('output-limit');
      else chunks.push(chunk);
    });
    return chunks;
  };
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.stdin.on('error', () => undefined); // a child that does not read its input is judged by its exit code
  child.stdin.end(options.input);

  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const kind = error.code === 'ENOENT' ? 'process-not-found' : 'process-not-started';
        reject(new AppError(kind, `${command} could not be started: ${error.message}`, { cause: error }));
      });
      child.once('close', (exitCode, exitSignal) => resolve([exitCode, exitSignal]));
    });
    return { code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), endedBy };
  } finally {
    clearTimeout(timer);
    clearTimeout(killTimer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** {@link run}, but anything other than an accepted exit code throws `process-failed` with the end of stderr. */
export async function runChecked(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(argv, options);
  if (result.code !== null && (options.okCodes ?? [0]).includes(result.code)) return result;
  const how = result.endedBy ?? (result.signal ? `signal ${result.signal}` : `exit ${String(result.code)}`);
  const tail = result.stderr.toString('utf8').trim().split('\n').slice(-5).join('\n');
  throw new AppError('process-failed', `${argv[0]} failed (${how})${tail ? `: ${tail}` : ''}`, {
    detail: { argv0: argv[0], how },
  });
}
