/** What earlier attempts left: a runner that still runs, a target, a folder that nobody fetches any more. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Job } from '../../../shared/protocol/job.ts';
import type { BuildLog } from '../logs/build-log.ts';
import { keptFile, keptTarget, letGo } from '../target/kept.ts';
import { removeTree } from '../target/userns.ts';
import { attemptAt, readJob, type Attempt } from './attempt.ts';
import { stopRunner } from './stop-runner.ts';

/** A folder without a readable job is half copied, or was never finished; nobody copies for a day. */
const HALF_COPIED_MS = 24 * 3_600_000;

/** Stops the attempt's runner if it lives, and removes its folder. */
export async function removeAttempt(attempt: Attempt): Promise<void> {
  await stopRunner(attempt);
  await letGo(attempt);
  await removeTree(attempt.folder);
}

async function isLeftover(other: Attempt, job: Job): Promise<boolean> {
  if (existsSync(keptFile(other))) return keptTarget(other) === null;
  const otherJob = await readJob(other).catch(() => null);
  if (otherJob !== null) return otherJob.slot === job.slot;
  const info = await stat(other.folder).catch(() => null);
  return info !== null && Date.now() - info.mtimeMs > HALF_COPIED_MS;
}

/**
 * Removes the other attempts of this attempt's instance and slot: the slot is leased to one at a time, so
 * what else claims it is over, unless its target is kept for an admin. Kept ones of every slot go when their
 * time is over. Gives the removed ids.
 */
export async function removeLeftovers(attempt: Attempt, job: Job, log: BuildLog): Promise<string[]> {
  const instance = path.dirname(attempt.folder);
  const removed: string[] = [];
  for (const name of await readdir(instance)) {
    if (name === attempt.id) continue;
    let other: Attempt;
    try {
      other = attemptAt(path.join(instance, name));
    } catch {
      continue; // not an attempt's folder
    }
    if (!(await isLeftover(other, job))) continue;
    log.line(`Removing what attempt ${name} left in slot ${job.slot}`);
    await removeAttempt(other);
    removed.push(name);
  }
  return removed;
}
