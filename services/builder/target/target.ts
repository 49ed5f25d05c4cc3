/** A throw-away system, seen from outside: open it, run commands in it, stop it, remove it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { killGroup, minimalEnvironment, runChecked } from '../../../shared/process/run.ts';
import { jobFailure } from '../build/failure.ts';
import type { BuildLog } from '../logs/build-log.ts';
import { Tail } from '../logs/tail.ts';
import type { Base } from './base.ts';
import { frameDecoder, type ExecRequest, type Reply, type TargetSpec } from './frames.ts';
import { prepareAgain } from './kept.ts';
import { removeTree, USER_NAMESPACE, type Argv } from './userns.ts';

export interface TargetOptions {
  base: Base;
  /** Where it lies, on the base's file system; must not exist. */
  folder: string;
  kind: TargetSpec['kind'];
  log: BuildLog;
  signal: AbortSignal;
  /** The most processes and threads of the build user at a time; default: as the host has it. */
  processes?: number | null;
  /** Roots of systems between it and the base, the uppermost first. */
  layers?: string[];
  /** Puts files in before the target starts; given a folder that becomes `/` (merged over the base). */
  seed?: (root: string) => Promise<void>;
}

export interface ExecResult {
  /** null when a signal ended it. */
  code: number | null;
  signal: string | null;
  /** The end of its output, at most {@link TAIL_BYTES}. */
  tail: string;
}

export interface ExecOptions {
  user?: ExecRequest['user'];
  /** False: only loopback. */
  network?: false;
  cwd?: string;
  /** Keeps so much of the end of its output, and leaves it out of the log. */
  captureBytes?: number;
  env?: Record<string, string>;
}

/** Enough for apt's explanation of what it cannot install. */
const TAIL_BYTES = 256 * 1024;
/** The inside process ends at once when asked to, unless a package's script has taken it over. */
const STOP_TIMEOUT_MS = 5_000;
/** Copying a base where there is no overlay: 700 MB, a minute on a slow disk. */
const COPY_TIMEOUT_MS = 15 * 60_000;

/**
 * The namespace's init: starts the program and reaps whatever loses its parent, which Node does not do; test
 * suites wait for their daemons to vanish. perl-base is essential on every Debian host.
 */
const INIT: Argv = [
  'perl',
  '-e',
  'my $main = fork() // exit 127; if (!$main) { exec @ARGV or exit 127 } ' +
    'while ((my $pid = wait()) != -1) { exit($? & 127 ? 128 + ($? & 127) : $? >> 8) if $pid == $main } exit 1',
];

const TARGET_ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
};

/**
 * The runner's command `args` as root of fresh namespaces. Sealed: the network namespace is a fresh one too, made
 * by the host's own program, so no process of the target has or can get to any other network.
 */
export function namespaceArgv(args: string[], sealed = false): Argv {
  const runner = process.argv[1] ?? '';
  const namespaces = ['--mount-proc', '--pid', '--ipc', '--uts', '--fork', '--kill-child'];
  if (sealed) namespaces.push('--net');
  return [...USER_NAMESPACE, ...namespaces, '--', ...INIT, '--', process.execPath, runner, ...args];
}

export class Target {
  readonly #options: TargetOptions;
  #child: ChildProcess | null = null;
  #isSealed = false;
  #tail = new Tail(TAIL_BYTES);
  /** Whether the output of the command that runs stays out of the log. */
  #isCaptured = false;
  #waiting: { resolve: (value: Reply) => void; reject: (error: Error) => void } | null = null;

  private constructor(options: TargetOptions) {
    this.#options = options;
  }

  /** Makes and starts a target in well under a second. Throws `job-machine` when the host does not let it. */
  static async open(options: TargetOptions): Promise<Target> {
    const target = new Target(options);
    try {
      await target.#prepare();
      await target.#start();
      return target;
    } catch (error) {
      await target.remove();
      throw jobFailure('machine', `The target could not be made: ${messageOf(error)}`, { cause: error });
    }
  }

  /** What lies below it, as overlay's lowerdir takes it. */
  get lower(): string {
    return [...(this.#options.layers ?? []), this.#options.base.root].join(':');
  }

  /** The folder on the host that holds what was written in the target, for after {@link stop}. */
  get written(): string {
    return path.join(this.#options.folder, this.#options.kind === 'overlay' ? 'upper' : 'root');
  }

  /**
   * Runs one command, shown and logged. The first without network seals the target: what setup left running
   * ends, and the programs that packages' scripts may have replaced have no part in keeping the network off.
   * There is no way back: later ones have none either. Throws `target-ended` when the target goes down meanwhile.
   */
  async exec(argv: Argv, options: ExecOptions = {}): Promise<ExecResult> {
    if (options.network === false) await this.#seal();
    this.#options.log.command(argv);
    this.#tail = new Tail(options.captureBytes ?? TAIL_BYTES);
    this.#isCaptured = options.captureBytes !== undefined;
    const request: ExecRequest = {
      argv,
      user: options.user ?? 'root',
      processes: this.#options.processes ?? null,
      cwd: options.cwd ?? '/',
      env: { ...TARGET_ENVIRONMENT, ...options.env },
    };
    const answer = await this.#ask(request);
    const tail = this.#tail.toString();
    if (answer.kind === 'exit') return { code: answer.code, signal: answer.signal, tail };
    throw new AppError('target-protocol', answer.kind === 'error' ? answer.message : 'Unexpected reply');
  }

  /** Ends every process in the target; what they wrote stays. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    // An ending init waits for every process of its namespace, so nothing writes any more once it is gone.
    child.stdin?.end();
    const timer = setTimeout(() => killGroup(child, 'SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  async #seal(): Promise<void> {
    if (this.#isSealed) return;
    await this.stop();
    this.#isSealed = true;
    await this.resume();
  }

  /** Starts it once more after {@link stop}, with all that was written in it. */
  async resume(): Promise<void> {
    await prepareAgain(this.#options.folder);
    await this.#start();
  }

  async remove(): Promise<void> {
    await this.stop();
    await removeTree(this.#options.folder);
  }

  async #prepare(): Promise<void> {
    const { folder, kind, base, seed } = this.#options;
    await mkdir(folder);
    if (kind === 'overlay') {
      for (const name of ['root', 'upper', 'work']) await mkdir(path.join(folder, name));
    } else {
      await runChecked(
        [...USER_NAMESPACE, 'cp', '--archive', '--reflink=auto', base.root, path.join(folder, 'root')],
        {
          timeoutMs: COPY_TIMEOUT_MS,
          signal: this.#options.signal,
        },
      );
    }
    await seed?.(this.written);
  }

  async #start(): Promise<void> {
    const { folder, kind, signal } = this.#options;
    const [command, ...args] = namespaceArgv(['inside'], this.#isSealed);
    const child = spawn(command, args, {
      cwd: '/',
      env: minimalEnvironment(),
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    const onAbort = (): void => killGroup(child, 'SIGKILL');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#listen(child);
    const answer = await this.#ask({ kind, folder, lower: this.lower, sealed: this.#isSealed });
    if (answer.kind === 'ready') return;
    throw new AppError('target-protocol', answer.kind === 'error' ? answer.message : 'Unexpected reply');
  }

  #listen(child: ChildProcess): void {
    const fail = (error: Error): void => {
      this.#waiting?.reject(error);
      this.#waiting = null;
    };
    const decode = frameDecoder({
      output: (chunk) => {
        if (!this.#isCaptured) this.#options.log.write(chunk);
        this.#tail.push(chunk);
      },
      reply: (value) => {
        this.#waiting?.resolve(value);
        this.#waiting = null;
      },
    });
    child.stdout?.on('data', (chunk: Buffer) => {
      try {
        decode(chunk);
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
        killGroup(child, 'SIGKILL');
      }
    });
    child.stderr?.on('data', (chunk: Buffer) => this.#options.log.write(chunk));
    child.stdin?.on('error', () => undefined); // its end is told by 'close'
    child.once('error', fail);
    child.once('close', () => fail(new AppError('target-ended', 'The target ended before its command did')));
  }

  #ask(request: TargetSpec | ExecRequest): Promise<Reply> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) {
      return Promise.reject(new AppError('target-ended', 'The target has ended'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
  }
}
