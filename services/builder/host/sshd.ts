/**
 * OpenSSH's sshd as a supervised child: started again with backoff when it dies, ended with this service,
 * and recognised when an earlier service was killed without ending it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { minimalEnvironment, runChecked } from '../../../shared/process/run.ts';
import { childrenOf, signal } from './children.ts';
import { endMarked, writeMark } from './process-mark.ts';

/** sshd starts itself anew for each connection and refuses to without an absolute path. */
const SSHD = '/usr/sbin/sshd';
const FIRST_RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;
/** One that ran this long was well; the next restart is quick again. */
const WELL_AFTER_MS = 60_000;
/** It listens within milliseconds; more than this on a loaded machine means that it cannot. */
const LISTEN_TIMEOUT_MS = 15_000;
const KILL_AFTER_MS = 5_000;
const KEPT_LINES = 10;

export interface Sshd {
  /** Whether the child listens at this moment. */
  isListening(): boolean;
  /** Ends sshd and the connections it serves; what was started detached over them goes on. */
  stop(): Promise<void>;
}

export interface SshdOptions {
  configFile: string;
  /** Where the running child is noted, see process-mark.ts. */
  markFile: string;
  log: Logger;
}

/** Ends what an earlier run that was killed left behind, so that its port is free again. */
export async function endStaleSshd({ markFile, log }: Omit<SshdOptions, 'configFile'>): Promise<void> {
  if (await endMarked(markFile)) log.info('ended an sshd that an earlier run left behind');
}

/** Starts and supervises it; resolves once it listens. Throws `sshd-config-invalid` or `sshd-not-started`. */
export async function startSshd(options: SshdOptions): Promise<Sshd> {
  await checkConfig(options.configFile);
  const supervisor = new Supervisor(options);
  const loop = supervisor.run();
  const stop = async (): Promise<void> => {
    await supervisor.end();
    await loop;
    await endMarked(options.markFile); // it is gone; removes the note
  };
  const deadline = Date.now() + LISTEN_TIMEOUT_MS;
  while (!supervisor.listening) {
    if (Date.now() > deadline) {
      await stop();
      throw new AppError('sshd-not-started', `sshd does not listen: ${supervisor.lastLines.join(' | ')}`, {
        hint: 'When the port is taken, give another as builder.listen.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { isListening: () => supervisor.listening, stop };
}

async function checkConfig(configFile: string): Promise<void> {
  await runChecked([SSHD, '-t', '-f', configFile]).catch((cause: unknown) => {
    throw new AppError('sshd-config-invalid', `sshd refuses its configuration ${configFile}`, {
      hint: 'Is openssh-server installed? deploy/bootstrap installs it.',
      cause,
    });
  });
}

class Supervisor {
  listening = false;
  lastLines: string[] = [];
  private child: ChildProcess | undefined;
  private readonly ending = new AbortController();
  private readonly options: SshdOptions;

  constructor(options: SshdOptions) {
    this.options = options;
  }

  /** Resolves after {@link end}. */
  async run(): Promise<void> {
    let waitMs = FIRST_RESTART_MS;
    while (!this.ending.signal.aborted) {
      const began = Date.now();
      await this.runOnce();
      this.listening = false;
      if (this.ending.signal.aborted) return;
      if (Date.now() - began > WELL_AFTER_MS) waitMs = FIRST_RESTART_MS;
      this.options.log.warn({ waitMs, lastLines: this.lastLines }, 'sshd ended; starting it again');
      await interruptibleWait(waitMs, this.ending.signal);
      waitMs = Math.min(waitMs * 2, MAX_RESTART_MS);
    }
  }

  async end(): Promise<void> {
    this.ending.abort();
    const { child } = this;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    // sshd leaves its connections alone when it is told to end.
    for (const connection of await childrenOf(child.pid)) signal(connection, 'SIGTERM');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    await closed;
    clearTimeout(timer);
  }

  private async runOnce(): Promise<void> {
    const child = spawn(SSHD, ['-D', '-e', '-f', this.options.configFile], {
      // Only its own standard error stays with the listener's connections, and nobody waits for those.
      stdio: ['ignore', 'ignore', 'pipe'],
      env: minimalEnvironment(),
      cwd: '/',
      detached: true,
    });
    this.child = child;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        this.note(error.message);
        resolve();
      });
    });
    createInterface({ input: child.stderr }).on('line', (line) => this.note(line));
    if (child.pid !== undefined) await writeMark(this.options.markFile, child.pid);
    await ended;
  }

  private note(line: string): void {
    if (line.startsWith('Server listening on ')) this.listening = true;
    this.lastLines = [...this.lastLines, line].slice(-KEPT_LINES);
    this.options.log.debug({ line }, 'sshd');
  }
}

function interruptibleWait(ms: number, aborted: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    aborted.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
