/** What belongs to no product: copies and temporary files that a run left behind, and what was refused long ago. */
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
/** A file or link that is being made is there for a moment. */
const TEMPORARY_LEFT_MS = 3600_000;
const TEMPORARY = /^\..*\.(?:tmp|new)$/;
const DAY_MS = 24 * 3600_000;

export async function checkLeftovers(repository: Repository): Promise<Finding[]> {
  const { home, common } = repository;
  const staging = path.relative(home.repository, home.staging);
  const roots = common.queues.flatMap(({ name }) => [
    path.join(staging, name),
    path.join(staging, name, 'dists'),
  ]);
  const temporary: Finding[] = [];
  for (const root of [staging, ...roots]) {
    temporary.push(...(await old(home.repository, root, TEMPORARY_LEFT_MS, 'work-left', TEMPORARY)));
  }
  const quarantine = path.relative(home.repository, quarantineFolder(home));
  return [
    ...temporary,
    ...(await old(home.repository, 'work', WORK_LEFT_MS, 'work-left')),
    ...(await old(home.repository, quarantine, QUARANTINE_KEPT_DAYS * DAY_MS, 'quarantine-old')),
  ];
}

/** What is older in a folder below the repository's; subjects are paths there. */
async function old(
  root: string,
  folder: string,
  keptMs: number,
  code: FindingCode,
  form = /^/,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of await namesIn(path.join(root, folder))) {
    const subject = path.join(folder, name);
    const found = form.test(name) ? await look(path.join(root, subject)) : null;
    if (found === null || Date.now() - found.mtimeMs < keptMs) continue;
    const detail = `It is of ${found.mtime.toISOString()}`;
    findings.push({ code, queue: '', product: '', subject, detail, copies: [], outcome: null });
  }
  return findings;
}

async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = await readdir(folder).catch(() => []);
  return names.toSorted();
}
