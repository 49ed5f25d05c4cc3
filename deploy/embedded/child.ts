/** One supervised service process: started, watched for its `ready` line, started again when it dies. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { AppError } from '../../shared/errors/app-error.ts';
import { EXIT_CONFIG } from '../../shared/process/service.ts';

export interface ChildSpec {
  name: string;
  /** Absolute path of its main.ts. */
  main: string;
  env: NodeJS.ProcessEnv;
}

export interface Child {
  name: string;
  /** Facts of the `ready` line. Rejects when the first start fails for good. */
  ready: Promise<Record<string, unknown>>;
  pid(): number | undefined;
  stop(): Promise<void>;
}

/** Between a death and the next start: doubles to a minute's half, so a broken service does not burn a core. */
const RESTART_MIN_MS = 500;
const RESTART_MAX_MS = 30_000;
/** A service that lived this long starts again quickly. */
const HEALTHY_AFTER_MS = 60_000;
/** Deaths before the first `ready` that mean it will not start. */
const FIRST_START_TRIES = 3;
const TERM_TO_KILL_MS = 10_000;
/** A small nursery: services wait most of the time, and what one does is soon done with; saves a hundred megabytes. */
export const NODE_FLAGS = ['--max-semi-space-size=4'] as const;

/** Starts the service and keeps it running until `stop`. Each log line goes to `onLine`. */
export function superviseChild(spec: ChildSpec, onLine: (line: string) => void): Child {
  let child: ChildProcess | undefined;
  let stopping = false;
  let delayMs = RESTART_MIN_MS;
  let deaths = 0;
  let wasReady = false;
  let restart: NodeJS.Timeout | undefined;
  let exited = Promise.resolve();
  let lastError = '';
  const { promise: ready, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
  ready.catch(() => undefined); // whoever waits sees it; nobody waiting is no crash

  const start = (): void => {
    const startedAt = Date.now();
    const running = spawn(process.execPath, [...NODE_FLAGS, spec.main], {
      env: spec.env,
      detached: true, // Ctrl-C reaches the supervisor only, which ends them in order
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    child = running;
    createInterface({ input: running.stderr ?? process.stdin }).on('line', (line) => {
      onLine(line);
      const entry = parseLine(line);
      if (entry?.['msg'] === `${spec.name} ready`) {
        wasReady = true;
        resolve(entry);
      }
      if (entry && Number(entry['level']) >= 50) lastError = describe(entry);
    });
    exited = new Promise((done) => {
      running.once('exit', (code) => {
        done();
        if (stopping) return;
        deaths += 1;
        if (!wasReady && (code === EXIT_CONFIG || deaths >= FIRST_START_TRIES)) {
          reject(
            new AppError(
              'service-not-started',
              `${spec.name} did not start${lastError ? `: ${lastError}` : ''}`,
            ),
          );
          return;
        }
        delayMs =
          Date.now() - startedAt > HEALTHY_AFTER_MS ? RESTART_MIN_MS : Math.min(delayMs * 2, RESTART_MAX_MS);
        restart = setTimeout(start, delayMs);
      });
    });
  };
  start();
  return {
    name: spec.name,
    ready,
    pid: () => child?.pid,
    async stop() {
      stopping = true;
      clearTimeout(restart);
      child?.kill('SIGTERM');
      const timer = setTimeout(() => child?.kill('SIGKILL'), TERM_TO_KILL_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** A pino line as an object, or null for anything else. */
export function parseLine(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function describe(entry: Record<string, unknown>): string {
  const hint = entry['hint'];
  return `${String(entry['msg'])}${typeof hint === 'string' ? ` (${hint})` : ''}`;
}
