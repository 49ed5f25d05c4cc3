/**
 * `runner.mjs inside`: the process within a target's namespaces that runs commands for the runner outside.
 * It ends, and everything in the target with it, when its stdin does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import type { Readable } from 'node:stream';
import { messageOf } from '../../../shared/errors/app-error.ts';
import { execRequest, outputFrame, replyFrame, targetSpec, type ExecRequest, type Reply } from './frames.ts';
import { enterTarget, NO_NETWORK } from './mounts.ts';
import { BUILD_USER } from './system-files.ts';

function reply(value: Reply): void {
  process.stdout.write(replyFrame(value));
}

/** Passes a child's output on, no faster than the runner reads it. */
function forward(stream: Readable): void {
  stream.on('data', (chunk: Buffer) => {
    if (process.stdout.write(outputFrame(chunk))) return;
    stream.pause();
    process.stdout.once('drain', () => stream.resume());
  });
}

function fullArgv(request: ExecRequest): string[] {
  const id = String(BUILD_USER.id);
  const network = request.network ? [] : ['nsenter', `--net=${NO_NETWORK}`, '--'];
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
  return [...network, ...user, ...request.argv];
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
  const child = spawn(command, args, {
    cwd: request.cwd,
    env: request.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  forward(child.stdout);
  forward(child.stderr);
  child.once('exit', killOthers); // a daemon that holds the pipe would keep us waiting
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    reply({ kind: 'exit', code, signal });
  } catch (error) {
    reply({ kind: 'error', message: `${command} could not be started: ${messageOf(error)}` });
  }
}

/** Serves requests one after another until stdin ends. */
export async function inside(): Promise<void> {
  process.umask(0o022);
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
