/** Targets that are folders of this machine, against staging: behind, damaged, or with files missing. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readRelease } from '../../../../shared/debian/read-release.ts';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import { generationFolder } from '../../generations/tree.ts';
import { newestNumber, type Recorded } from './facts.ts';
import { localTargets, report, type Look } from './look.ts';
import { checkRelease } from './release.ts';
import { look as lookAt } from './sums.ts';

/** A sync takes seconds; a first one to a slow disk is told by `sync status`. */
const BEHIND_MS = 15 * 60_000;

/** Subject of a finding in a target: `live: main/h/hello/hello_1.0_amd64.deb`. */
export function subjectOf(target: string, what: string): string {
  return `${target}: ${what}`;
}

/** The target's name out of a subject. */
export function targetOf(subject: string): string {
  return subject.slice(0, subject.indexOf(': '));
}

export async function checkLive(look: Look): Promise<void> {
  const newest = newestNumber(look.facts);
  if (newest === null) return;
  for (const { target, root } of localTargets(look)) {
    const synced = look.facts.synced.get(target.name) ?? null;
    checkAge(look, target.name, synced, newest);
    if (synced === null) continue; // nothing of this queue was ever brought there
    const dists = path.join(root, look.queue, 'dists', look.product);
    const shown = await shownNumber(look, dists, [newest, synced]);
    await checkIndexes(look, target.name, dists, shown, synced);
    // Of an older generation the files that the newest needs may not be there yet.
    if (shown === newest)
      await checkFiles(look, target.name, path.join(root, look.queue, 'pool', look.product));
  }
}

/** True when a target should have the newest generation by now. */
export function isOverdue(look: Look, synced: number | null, newest: number): boolean {
  const waiting = look.facts.generations.find(
    (each) => each.status !== 'preparing' && each.number > (synced ?? 0),
  );
  const sinceMs = waiting?.stagedAt?.getTime() ?? Date.now();
  return synced !== newest && Date.now() - sinceMs >= BEHIND_MS;
}

function checkAge(look: Look, target: string, synced: number | null, newest: number): void {
  if (!isOverdue(look, synced, newest)) return;
  const has = synced === null ? 'nothing' : `generation ${String(synced)}`;
  report(look, 'live-behind', subjectOf(target, 'dists'), `It has ${has}, the newest is ${String(newest)}`);
}

/** Which of the generations the folder shows; null for none of them. */
async function shownNumber(look: Look, dists: string, numbers: number[]): Promise<number | null> {
  const shown = await readFile(path.join(dists, 'InRelease'), 'utf8').catch(() => null);
  for (const number of numbers) {
    const file = path.join(generationFolder(look.places, number), 'InRelease');
    const staged = await readFile(file, 'utf8').catch(() => null);
    if (shown !== null && staged === shown) return number;
  }
  return null;
}

async function checkIndexes(
  look: Look,
  target: string,
  dists: string,
  shown: number | null,
  synced: number,
): Promise<void> {
  const subject = subjectOf(target, 'dists');
  if (shown === null) {
    const ahead = await dateAhead(look, dists);
    if (ahead !== null)
      return report(look, 'live-ahead', subject, `Its Release is of ${ahead.toISOString()}`);
    const detail = `Its InRelease is not that of generation ${String(synced)}`;
    return report(look, 'live-indexes-damaged', subject, detail);
  }
  const isRead = look.isRead(subject);
  const [first, ...more] = await checkRelease(dists, { sums: look.sums, isRead });
  if (first === undefined) return;
  const detail = more.length === 0 ? first : `${first}, and ${String(more.length)} more`;
  report(look, 'live-indexes-damaged', subject, detail);
}

/** Date of what the folder shows, when it is later than anything that was staged. */
async function dateAhead(look: Look, dists: string): Promise<Date | null> {
  const [shown, staged] = await Promise.all([dateOf(dists), dateOf(look.places.dists)]);
  return shown !== null && staged !== null && shown > staged ? shown : null;
}

async function dateOf(folder: string): Promise<Date | null> {
  const text = await readFile(path.join(folder, 'Release'), 'utf8').catch(() => null);
  try {
    return text === null ? null : readRelease(text).date;
  } catch {
    return null;
  }
}

async function checkFiles(look: Look, target: string, pool: string): Promise<void> {
  for (const [file, need] of look.facts.needed) {
    const recorded = look.facts.recorded.get(file);
    if (need !== 'member' || !recorded) continue;
    const subject = subjectOf(target, file);
    const problem = await problemOf(look, joinInside(pool, file), file, subject, recorded);
    if (problem === 'missing') report(look, 'live-file-missing', subject, 'It is not there');
    else if (problem !== null) report(look, 'live-file-changed', subject, problem);
  }
}

async function problemOf(
  look: Look,
  live: string,
  file: string,
  subject: string,
  recorded: Recorded,
): Promise<string | null> {
  const found = await lookAt(live);
  if (found === null) return 'missing';
  if (!found.isFile()) return 'It is a link or a special file';
  if (found.size !== recorded.size) {
    return `It has ${String(found.size)} bytes, not ${String(recorded.size)}`;
  }
  const staged = await lookAt(joinInside(look.places.pool, file));
  // The same content under two names, or a copy that rsync took for one: seconds are all that it compares.
  const isSame = staged !== null && staged.dev === found.dev && staged.ino === found.ino;
  const isAsOld = staged !== null && Math.trunc(staged.mtimeMs / 1000) === Math.trunc(found.mtimeMs / 1000);
  if (!look.isRead(subject) && (isSame || isAsOld)) return null;
  const sum = await look.sums.sha256(live, found);
  if (sum === recorded.sha256) return null;
  return sum === null ? 'It cannot be read' : `Its SHA256 is ${sum}, not ${recorded.sha256}`;
}
