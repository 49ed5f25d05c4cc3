/**
 * Whether an attempt's runner lives. A pid alone says little: after a reboot or a day it is somebody else's.
 * So runner.json holds the boot, the pid and the process's start time; it is made exclusively, and whoever
 * made it is the attempt's one runner, for ever.
 */
import { readFileSync } from 'node:fs';
import { link, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { hasErrno } from '../../../shared/errors/app-error.ts';
import type { Attempt } from './attempt.ts';

const identity = z.strictObject({
  /** /proc/sys/kernel/random/boot_id. */
  boot: z.string(),
  pid: z.number().int().positive(),
  /** Clock ticks between boot and the process's start: field 22 of /proc/<pid>/stat. */
  startTicks: z.string(),
});
export type Identity = z.infer<typeof identity>;

/** Of this start of the machine. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Start time of a process, or null when it is gone or a zombie. */
export function startTicksOf(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the program's name in parentheses and may hold anything, so fields count from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === 'Z' || state === 'X' ? null : (fields[19] ?? null);
}

/** Makes this process the attempt's runner. False when another one is or was. */
export async function claimAttempt(attempt: Attempt): Promise<boolean> {
  const mine: Identity = {
    boot: bootId(),
    pid: process.pid,
    startTicks: startTicksOf(process.pid) ?? '',
  };
  const temporary = `${attempt.runner}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(mine));
  try {
    await link(temporary, attempt.runner); // appears whole and only once
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Who runs or ran the attempt; null when nobody did. */
export function runnerIdentity(attempt: Attempt): Identity | null {
  try {
    const parsed = identity.safeParse(JSON.parse(readFileSync(attempt.runner, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** `none`: never started. `alive`: that very process runs. `dead`: it ran and is gone. */
export function runnerState(attempt: Attempt): 'none' | 'alive' | 'dead' {
  const known = runnerIdentity(attempt);
  if (known === null) return 'none';
  if (known.boot !== bootId()) return 'dead';
  return startTicksOf(known.pid) === known.startTicks ? 'alive' : 'dead';
}
