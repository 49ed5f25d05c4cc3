/**
 * Which files in a login's folder belong together and may be taken now.
 *
 * **Guarantees.** A .changes is a set with the files it lists; a .dsc that no .changes lists is one too.
 * Control files are read for their names only (listed-names.ts): one that is wrong is rejected later.
 * Every file ends in a set: what nobody lists is taken as orphans after {@link ORPHAN_AGE_S}. A set that is
 * complete goes before one that waits, so an upload that never completes holds up nothing but itself.
 */
import path from 'node:path';
import type { GarageConfig } from '../config.ts';
import { readControlBytes } from './control-text.ts';
import { listedNames } from './listed-names.ts';
import type { SpoolEntry, SpoolFolder } from './spool-scan.ts';

/** Files that no .changes or .dsc lists are the uploader's half-finished business for this long. */
export const ORPHAN_AGE_S = 24 * 3600;
/** Longest wait for a listed file, however busy the folder is otherwise. */
export const MAX_WAIT_S = 24 * 3600;
/** dput's own logs, which `scp *` carries along; they say nothing to us. */
const UPLOAD_LOG = '.upload';

export interface FoundSet {
  /** The .changes, the .dsc of an upload without one, or the first of the orphans. */
  trigger: string;
  /** Present files that belong to it, the trigger included. */
  files: string[];
}

export interface WaitingSet {
  trigger: string;
  missing: string[];
  untilMs: number;
}

export interface FolderSets {
  ready: FoundSet[];
  waiting: WaitingSet[];
  /** Names to remove: dput's logs. */
  logs: string[];
}

interface Candidate {
  trigger: SpoolEntry;
  listed: string[];
  /** When it is taken whatever is missing. */
  deadlineMs: number;
  /** Not taken before this even if it is complete. */
  notBeforeMs: number;
}

/** Sorts a folder's files into sets. `claimed` names belong to uploads that are being worked on. */
export async function findSets(
  folder: SpoolFolder,
  claimed: ReadonlySet<string>,
  nowMs: number,
  config: Pick<GarageConfig, 'missingFileGraceS' | 'loneDscGraceS'>,
): Promise<FolderSets> {
  const entries = [...folder.entries.values()].filter((entry) => !claimed.has(entry.name));
  const sets: FolderSets = { ready: [], waiting: [], logs: [] };
  sets.logs = entries.filter((entry) => entry.name.endsWith(UPLOAD_LOG)).map((entry) => entry.name);
  const candidates = await findCandidates(folder, entries, config);
  const free = new Map(entries.map((entry) => [entry.name, entry]));
  for (const { trigger } of candidates) free.delete(trigger.name);
  for (const name of sets.logs) free.delete(name);

  const incomplete: Candidate[] = [];
  for (const candidate of candidates) {
    const isComplete = missingOf(candidate, free).length === 0;
    if (isComplete && nowMs >= candidate.notBeforeMs) sets.ready.push(claim(candidate, free));
    else incomplete.push(candidate);
  }
  const stillWaiting = incomplete.filter((candidate) => nowMs < candidate.deadlineMs);
  const held = new Set(stillWaiting.flatMap((candidate) => candidate.listed));
  for (const candidate of incomplete) {
    if (nowMs >= candidate.deadlineMs) sets.ready.push(claim(candidate, free));
  }
  for (const candidate of stillWaiting) {
    const { trigger, deadlineMs, notBeforeMs } = candidate;
    const missing = missingOf(candidate, free);
    const untilMs = missing.length > 0 ? deadlineMs : notBeforeMs;
    sets.waiting.push({ trigger: trigger.name, missing, untilMs });
  }
  const orphans = [...free.values()]
    .filter((entry) => !held.has(entry.name) && nowMs - entry.changedAtMs > ORPHAN_AGE_S * 1000)
    .map((entry) => entry.name);
  const [first] = orphans;
  if (first !== undefined) sets.ready.push({ trigger: first, files: orphans });
  return sets;
}

async function findCandidates(
  folder: SpoolFolder,
  entries: SpoolEntry[],
  config: Pick<GarageConfig, 'missingFileGraceS' | 'loneDscGraceS'>,
): Promise<Candidate[]> {
  const candidate = async (trigger: SpoolEntry, idleS: number): Promise<Candidate> => {
    const listed = await companions(folder, trigger.name);
    const graceMs = Math.max(idleS, config.missingFileGraceS) * 1000;
    return {
      trigger,
      listed,
      deadlineMs: Math.min(folder.newestMs + graceMs, trigger.changedAtMs + MAX_WAIT_S * 1000),
      notBeforeMs: idleS === 0 ? 0 : folder.newestMs + idleS * 1000,
    };
  };
  const byArrival = entries.toSorted((a, b) => a.changedAtMs - b.changedAtMs);
  const found: Candidate[] = [];
  for (const entry of byArrival) if (entry.name.endsWith('.changes')) found.push(await candidate(entry, 0));
  const listed = new Set(found.flatMap((each) => each.listed));
  for (const entry of byArrival) {
    const isLone = entry.name.endsWith('.dsc') && !listed.has(entry.name);
    if (isLone) found.push(await candidate(entry, config.loneDscGraceS));
  }
  return found;
}

/**
 * The files that come with a trigger: those it lists. A .changes that lists nothing cannot be read at all;
 * the .dsc of its name goes with it, so that one mistake is one rejection.
 */
async function companions(folder: SpoolFolder, trigger: string): Promise<string[]> {
  const others = async (name: string): Promise<string[]> => {
    const bytes = await readControlBytes(path.join(folder.path, name));
    return listedNames(bytes?.toString('utf8') ?? '').filter((each) => each !== trigger);
  };
  const listed = await others(trigger);
  const dsc = trigger.replace(/_[^_]*\.changes$/, '.dsc');
  if (listed.length > 0 || dsc === trigger || !folder.entries.has(dsc)) return listed;
  return [dsc, ...(await others(dsc))].filter((name) => folder.entries.has(name));
}

function missingOf(candidate: Candidate, free: ReadonlyMap<string, SpoolEntry>): string[] {
  return candidate.listed.filter((name) => !free.has(name));
}

function claim(candidate: Candidate, free: Map<string, SpoolEntry>): FoundSet {
  const present = candidate.listed.filter((name) => free.delete(name));
  return { trigger: candidate.trigger.name, files: [candidate.trigger.name, ...present] };
}
