/** status.json and result.json of an attempt. */
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { result, status, type Result, type Stage, type Status } from '../../../shared/protocol/job.ts';
import { readJob, type Attempt } from '../build/attempt.ts';
import { runnerIdentity, runnerState } from '../build/liveness.ts';

interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false };
}

function readJson<T>(file: string, schema: Schema<T>): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** null when there is none yet. */
export function readStatus(attempt: Attempt): Status | null {
  return readJson(attempt.status, status);
}

/** null when there is none yet. */
export function readResult(attempt: Attempt): Result | null {
  return readJson(attempt.result, result);
}

/**
 * Replaces status.json. Only `done` is made durable: it promises that everything else is, while a stage in
 * between that a power cut loses belongs to a runner that is lost as well.
 */
export async function writeStatus(attempt: Attempt, stage: Stage, pid: number): Promise<void> {
  const content: Status = { version: 1, stage, since: new Date().toISOString(), pid };
  const text = `${JSON.stringify(content)}\n`;
  if (stage === 'done') return writeFileDurably(attempt.status, text);
  const temporary = `${attempt.status}.${process.pid}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, attempt.status);
}

/** The last two steps of every attempt, in this order. */
export async function finish(attempt: Attempt, content: Result, pid: number): Promise<void> {
  await writeFileDurably(attempt.result, `${JSON.stringify(content, null, 2)}\n`);
  await writeStatus(attempt, 'done', pid);
}

/** True once the attempt has come to its end. */
export function isDone(attempt: Attempt): boolean {
  return readStatus(attempt)?.stage === 'done';
}

/**
 * Ends an attempt whose runner is gone (a reboot, kill -9) in its place: class `exitClass`, the stage as the
 * status left it. Does nothing while the runner lives, and only completes what the runner had written.
 */
export async function settleDead(
  attempt: Attempt,
  exitClass: 'machine' | 'cancelled' = 'machine',
  message = 'the runner died',
): Promise<void> {
  if (runnerState(attempt) !== 'dead' || isDone(attempt)) return;
  const pid = runnerIdentity(attempt)?.pid ?? 0;
  if (readResult(attempt) !== null) return writeStatus(attempt, 'done', pid);
  const last = readStatus(attempt);
  const job = await readJob(attempt).catch(() => null);
  const now = new Date().toISOString();
  const content: Result = {
    version: 1,
    attempt: attempt.id,
    exitClass,
    stage: last?.stage ?? 'init',
    message,
    missing: [],
    driver: job?.driver === 'sbuild' ? 'sbuild' : 'overlay',
    stageSeconds: {},
    startedAt: last?.since ?? now,
    finishedAt: now,
    files: [],
  };
  await finish(attempt, content, pid);
}
