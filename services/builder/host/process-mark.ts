/**
 * Recognises a child of an earlier run that was killed before it could end it: a pid alone may belong to
 * anybody by now, a pid with its start time and the boot it was seen in belongs to nobody else.
 */
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { signal } from './children.ts';

const mark = z.strictObject({ pid: z.number().int().positive(), startTime: z.string(), boot: z.string() });

/** Time a process has between TERM and KILL. */
const KILL_AFTER_MS = 5_000;
const POLL_MS = 50;

/** Notes a child that runs now. */
export async function writeMark(file: string, pid: number): Promise<void> {
  const startTime = await startTimeOf(pid);
  if (startTime === null) return;
  await writeFileDurably(file, JSON.stringify({ pid, startTime, boot: await bootId() }));
}

/** The pid noted in `file` if that very process still runs, else null. */
export async function readMark(file: string): Promise<number | null> {
  const text = await readFile(file, 'utf8').catch(() => '{}');
  const parsed = mark.safeParse(parseJson(text));
  if (!parsed.success || parsed.data.boot !== (await bootId())) return null;
  return (await startTimeOf(parsed.data.pid)) === parsed.data.startTime ? parsed.data.pid : null;
}

/** Ends the process noted in `file`, if it still runs; true when there was one. */
export async function endMarked(file: string): Promise<boolean> {
  const pid = await readMark(file);
  if (pid !== null) {
    signal(pid, 'SIGTERM');
    const began = Date.now();
    // Even KILL takes a moment on a machine that is out of memory; past twice the time it is left alone.
    while ((await readMark(file)) !== null && Date.now() - began < 2 * KILL_AFTER_MS) {
      if (Date.now() - began > KILL_AFTER_MS) signal(pid, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  await rm(file, { force: true });
  return pid !== null;
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; null when it is gone or a zombie. */
async function startTimeOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold anything; the fields after the last one are plain.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? null : (fields[19] ?? null);
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
