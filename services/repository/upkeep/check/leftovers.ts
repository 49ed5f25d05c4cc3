/** What belongs to no queue: copies of sets that a run left behind, and what was refused long ago. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Repository } from '../../context.ts';
import { quarantineFolder } from '../../places.ts';
import type { Finding, FindingCode } from './findings.ts';
import { look } from './sums.ts';

/** Somebody should have looked at it by then. */
export const QUARANTINE_KEPT_DAYS = 30;
/** Copies of a set that is being taken in are removed with it; no run takes so long. */
const WORK_LEFT_MS = 24 * 3600_000;
const DAY_MS = 24 * 3600_000;

/** `repository/work`: one folder for each queue and product while its manager runs. */
export function workFolder(repository: Pick<Repository, 'home'>): string {
  return path.join(repository.home.repository, 'work');
}

export async function checkLeftovers(repository: Repository): Promise<Finding[]> {
  return [
    ...(await old(workFolder(repository), WORK_LEFT_MS, 'work-left')),
    ...(await old(quarantineFolder(repository.home), QUARANTINE_KEPT_DAYS * DAY_MS, 'quarantine-old')),
  ];
}

async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = await readdir(folder).catch(() => []);
  return names.toSorted();
}

async function old(folder: string, keptMs: number, code: FindingCode): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of await namesIn(folder)) {
    const found = await look(path.join(folder, name));
    if (found === null || Date.now() - found.mtimeMs < keptMs) continue;
    const detail = `${path.join(folder, name)} is of ${found.mtime.toISOString()}`;
    findings.push({ code, queue: '', product: '', subject: name, detail, copies: [], outcome: null });
  }
  return findings;
}
