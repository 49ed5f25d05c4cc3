/**
 * Targets elsewhere against what rqp has brought there, by listing: names and sizes, nothing is read or written.
 * This takes as long as a listing over a network does, so it is done without the queue's lock, and a target that
 * was synced meanwhile is left to the next check.
 */
import { AppError, messageOf } from '../../../../shared/errors/app-error.ts';
import { generationFolder } from '../../generations/tree.ts';
import { sizesBelow } from '../../sync/job.ts';
import { storeOf } from '../../sync/stores/store.ts';
import { targetsOf, type Target } from '../../sync/targets.ts';
import { newestNumber } from './facts.ts';
import type { Finding } from './findings.ts';
import { isOverdue, subjectOf } from './live.ts';
import { makeLook, report, type Look } from './look.ts';

/** A million files come within it; whoever checks waits for it. */
const LIST_TIMEOUT_MS = 10 * 60_000;

/** What rqp's row says; two that are the same have no sync between them. */
interface State {
  generation: number | null;
  isBusy: boolean;
  error: string | null;
  triedAt: Date | null;
  syncedAt: Date | null;
}

/** Whether a finding is of a target elsewhere. */
export function isElsewhere({ code }: Finding): boolean {
  return code.startsWith('remote-');
}

/** What is wrong with the queue's targets elsewhere, by the facts of an earlier look. */
export async function checkRemotes(earlier: Look): Promise<Finding[]> {
  const look = makeLook(earlier.repository, earlier, earlier);
  const newest = newestNumber(look.facts);
  if (newest === null) return [];
  for (const target of targetsOf(look.repository)) {
    if (target.location.kind === 'local' || !target.queues.includes(look.queue)) continue;
    const before = await readState(look, target);
    const synced = before?.generation ?? null;
    if (isOverdue(look, synced, newest)) {
      const has = synced === null ? 'nothing' : `generation ${String(synced)}`;
      const detail = `It has ${has}, the newest is ${String(newest)}`;
      report(look, 'remote-behind', subjectOf(target.name, 'dists'), detail);
    }
    if (before !== null && synced !== null) await checkRemote(look, target, before, newest);
  }
  return look.found;
}

async function checkRemote(look: Look, target: Target, before: State, newest: number): Promise<void> {
  const unknown = (why: string): void => report(look, 'remote-unknown', subjectOf(target.name, 'files'), why);
  if (before.error !== null) return unknown(`Its last sync failed: ${before.error}`);
  if (before.isBusy || before.generation === null) return;
  let problems: string[];
  try {
    problems = await differences(look, target, before.generation, newest);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return unknown(`It could not be listed: ${messageOf(error)}`);
  }
  const [first] = problems;
  if (first === undefined || !isSame(before, await readState(look, target))) return;
  const more = problems.length === 1 ? '' : `, and ${String(problems.length - 1)} more`;
  report(look, 'remote-differs', subjectOf(target.name, 'files'), `${first}${more}`);
}

async function differences(look: Look, target: Target, synced: number, newest: number): Promise<string[]> {
  const store = storeOf({ ...target, timeoutMs: LIST_TIMEOUT_MS });
  const places: [string, Map<string, number>][] = [
    [`${look.queue}/dists/${look.product}`, await sizesBelow(generationFolder(look.places, synced))],
    // Of an older generation the files that the newest needs may not be there yet.
    [`${look.queue}/pool/${look.product}`, synced === newest ? poolSizes(look) : new Map()],
  ];
  const problems: string[] = [];
  for (const [folder, wanted] of places) {
    if (wanted.size === 0) continue;
    const there = await store.sizes(folder);
    for (const [file, size] of wanted) {
      const found = there.get(file);
      if (found === undefined) problems.push(`${folder}/${file} is not there`);
      else if (found !== size)
        problems.push(`${folder}/${file} has ${String(found)} bytes, not ${String(size)}`);
    }
  }
  return problems;
}

function poolSizes({ facts }: Look): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [file, need] of facts.needed) {
    const recorded = facts.recorded.get(file);
    if (need === 'member' && recorded) sizes.set(file, recorded.size);
  }
  return sizes;
}

async function readState({ repository, queue, product }: Look, target: Target): Promise<State | null> {
  const { rows } = await repository.pool.query<State>(
    `select generation, tried_at > coalesce(synced_at, '-infinity') and failures = 0 as "isBusy",
            case when failures > 0 then coalesce(error, error_code) end as error,
            tried_at as "triedAt", synced_at as "syncedAt"
       from sync_states where target = $1 and queue = $2 and product = $3 and location = $4`,
    [target.name, queue, product, target.text],
  );
  return rows[0] ?? null;
}

function isSame(before: State, after: State | null): boolean {
  return JSON.stringify(before) === JSON.stringify(after);
}
