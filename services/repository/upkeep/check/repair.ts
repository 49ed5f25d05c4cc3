/**
 * Repairs one finding. Nothing here deletes a byte that was published or makes one up: a changed file is kept
 * in quarantine, content comes from an intact copy or is made from the database as every publish makes it.
 */
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, link, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../../../shared/errors/app-error.ts';
import { fsyncDirectory } from '../../../../shared/files/durable.ts';
import { joinInside } from '../../../../shared/files/safe-path.ts';
import { settlePaths } from '../../../../shared/files/settle.ts';
import { publish } from '../../generations/publish.ts';
import { recover } from '../../generations/recover.ts';
import { newestGeneration } from '../../generations/rows.ts';
import type { QueueLock } from '../../locks.ts';
import { quarantineFolder } from '../../places.ts';
import { placeIntoPool } from '../../pool/place.ts';
import { askForSync } from '../../sync/ask.ts';
import type { Finding, FindingCode } from './findings.ts';
import { targetOf } from './live.ts';
import type { Look } from './look.ts';

type Outcome = Finding['outcome'];

/** Files of staging's pool that no sync by content passes over. */
const UNSENDABLE: ReadonlySet<FindingCode> = new Set(['pool-file-changed', 'pool-file-stray']);

type Repair = (look: Look, lock: QueueLock, finding: Finding) => Promise<Outcome>;

/** Of what a repair is promised for; the rest is for a person to decide. */
export const REPAIRS: Partial<Record<FindingCode, Repair>> = {
  'pool-link-missing': linkAgain,
  'pool-copy-changed': replaceChanged,
  'pool-file-mode': async ({ places }, _lock, { subject }) => {
    await chmod(joinInside(places.pool, subject), 0o644);
    return 'repaired';
  },
  'pool-temporary-left': ({ places }, _lock, { subject }) => remove(joinInside(places.pool, subject)),
  'generation-damaged': publishAnew,
  'generation-missing': recoverQueue,
  'generation-unfinished': recoverQueue,
  'current-link-wrong': recoverQueue,
  'index-state-damaged': ({ places }) => remove(places.states),
  'live-behind': (look, _lock, { subject }) => ask(look, targetOf(subject), false),
  'live-indexes-damaged': (look, _lock, { subject }) => ask(look, targetOf(subject), true),
  'live-file-missing': (look, _lock, { subject }) => ask(look, targetOf(subject), true),
  'live-file-changed': (look, _lock, { subject }) => ask(look, targetOf(subject), true),
  'remote-behind': (look, _lock, { subject }) => ask(look, targetOf(subject), false),
  'remote-differs': (look, _lock, { subject }) => ask(look, targetOf(subject), false),
};

/** The caller holds the `publish` lock, and looks again at what is said to be `repaired`. */
export async function repair(look: Look, lock: QueueLock, finding: Finding): Promise<Outcome> {
  return (await REPAIRS[finding.code]?.(look, lock, finding)) ?? null;
}

async function remove(fileOrFolder: string): Promise<Outcome> {
  await rm(fileOrFolder, { recursive: true, force: true });
  return 'repaired';
}

async function recoverQueue({ repository }: Look, lock: QueueLock): Promise<Outcome> {
  await recover(repository, lock);
  return 'repaired';
}

async function linkAgain(look: Look, _lock: QueueLock, { subject, copies }: Finding): Promise<Outcome> {
  const [copy] = copies;
  const recorded = look.facts.recorded.get(subject);
  if (copy === undefined || !recorded) return 'failed';
  const touched = new Set<string>();
  await placeIntoPool(copy, look.places.pool, { path: subject, ...recorded }, touched);
  await settlePaths(touched, look.places.pool);
  await look.repository.step('check-linked');
  return 'repaired';
}

/** The changed file is under another name before the intact one takes its place, by one rename. */
async function replaceChanged(look: Look, _lock: QueueLock, { subject, copies }: Finding): Promise<Outcome> {
  const [copy] = copies;
  if (copy === undefined) return 'failed';
  const target = joinInside(look.places.pool, subject);
  const name = `changed-${path.basename(subject)}-${randomBytes(6).toString('hex')}`;
  const kept = path.join(quarantineFolder(look.repository.home), name);
  const temporary = path.join(
    path.dirname(target),
    `.${path.basename(target)}.${randomBytes(6).toString('hex')}`,
  );
  await mkdir(kept, { recursive: true });
  await linkOrCopy(target, path.join(kept, path.basename(subject)));
  await look.repository.step('check-kept');
  try {
    await linkOrCopy(copy, temporary);
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
  await fsyncDirectory(path.dirname(target));
  await look.repository.step('check-replaced');
  // A target may share the changed file, or have taken it.
  await ask(look, undefined, true);
  return 'repaired';
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: unknown) => {
    if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
    await copyFile(from, to);
  });
}

/** From the database alone: without a state nothing is taken over from the damaged one. */
async function publishAnew(look: Look, lock: QueueLock, { subject }: Finding): Promise<Outcome> {
  const { repository, places, queue, product } = look;
  await recover(repository, lock);
  // Recovering may have published already.
  const newest = await newestGeneration(lock.client, lock);
  if (newest && subject !== `generation ${String(newest.number)}`) return 'repaired';
  await rm(places.states, { recursive: true, force: true });
  await publish(repository, lock, { queue, product, add: [], remove: [], cause: 'repair', who: null });
  return 'repaired';
}

/**
 * What rqp does then is seen at the next check, and in `autobuilder sync status`. To compare by content it reads
 * the pool first, and while there is a file that was not published it sends what is new and mends nothing, again and
 * again: so that is not asked for until then.
 */
async function ask(look: Look, target: string | undefined, verify: boolean): Promise<Outcome> {
  if (verify && look.found.some(({ code, outcome }) => UNSENDABLE.has(code) && outcome === null))
    return 'blocked';
  const { queue, product } = look;
  await askForSync(look.repository, { queue, product, verify, ...(target === undefined ? {} : { target }) });
  return 'asked';
}
