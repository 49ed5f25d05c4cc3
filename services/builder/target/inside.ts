/**
 * `runner.mjs inside`: the process within a target's namespaces that runs commands for the runner outside.
 * It ends, and everything in the target with it, when its stdin does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import readline from 'node:readline';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { execRequest, outputFrame, replyFrame, targetSpec, type ExecRequest, type Reply } from './frames.ts';
import { enterTarget, OUTPUT } from './mounts.ts';
import { BUILD_USER } from './system-files.ts';

function reply(value: Reply): void {
  process.stdout.write(replyFrame(value));
}

interface Output {
  /** For the child's stdout and stderr. */
  fd: number;
  /** Resolves when nobody has the pipe open for writing any more and all was passed on. */
  end: Promise<void>;
}

/** Opens the output pipe, and passes on what comes, no faster than the runner reads it. */
function openOutput(): Output {
  const reader = openSync(OUTPUT, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(OUTPUT, constants.O_WRONLY);
  const stream = new Socket({ fd: reader, readable: true, writable: false });
  stream.on('data', (chunk: Buffer) => {
    if (process.stdout.write(outputFrame(chunk))) return;
    stream.pause();
    process.stdout.once('drain', () => stream.resume());
  });
  const end = new Promise<void>((resolve) => {
    stream.once('close', () => resolve());
  });
  return { fd, end };
}

/**
 * Where the runner counts processes by looking, a fork bomb could be quicker: the kernel stops it here. Some
 * room above the job's limit, so that the runner sees it passed and says so.
 */
const PROCESS_SLACK = 128;
/** The kernel ends the processes of targets before any other of a host that has no memory left. */
const OOM_SCORE = '1000';

function fullArgv(request: ExecRequest): string[] {
  const id = String(BUILD_USER.id);
  const most = request.processes;
  const limits =
    most === null || request.user === 'root' ? [] : ['prlimit', `--nproc=${most + PROCESS_SLACK}`, '--'];
  const user =
    request.user === 'root'
      ? []
      : [
          'setpriv',
          `--reuid=${id}`,
          `--regid=${id}`,
          '--clear-groups',
          '--inh-caps=-all',
          '--no-new-privs',
          '--',
        ];
  return [...limits, ...user, ...request.argv];
}

/** Ends whatever a command left running; init and this process are spared by kill(2). */
function killOthers(): void {
  try {
    process.kill(-1, 'SIGKILL');
  } catch {
    // Nobody else is there.
  }
}

async function execute(request: ExecRequest): Promise<void> {
  const [command = '', ...args] = fullArgv(request);
  const output = openOutput();
  const child = spawn(command, args, {
    cwd: request.cwd,
    env: request.env,
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  });
  closeSync(output.fd); // the child has its own
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    killOthers(); // a daemon that holds the pipe would keep us waiting
    await output.end;
    reply({ kind: 'exit', code, signal });
  } catch (error) {
    reply({ kind: 'error', message: `${command} could not be started: ${messageOf(error)}` });
  }
}

export function preferForOutOfMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', OOM_SCORE);
  } catch {
    // A container may forbid it; the runner's own look at memory is left.
  }
}

/** Serves requests one after another until stdin ends. */
export async function inside(): Promise<void> {
  process.umask(0o022);
  preferForOutOfMemory();
  const lines = readline.createInterface({ input: process.stdin });
  lines.once('close', () => process.exit(0)); // the runner is gone: so is the target
  let isEntered = false;
  for await (const line of lines) {
    try {
      const content: unknown = JSON.parse(line);
      if (isEntered) {
        await execute(execRequest.parse(content));
        continue;
      }
      await enterTarget(targetSpec.parse(content));
      isEntered = true;
      reply({ kind: 'ready' });
    } catch (error) {
      reply({ kind: 'error', message: messageOf(error) });
    }
  }
}
