/**
 * One look at the spool: every set that is whole is taken over, verified, decided and brought to its place.
 *
 * **Guarantees.** Each set has one row, one mail and one folder, whatever happened between the steps: what
 * an earlier round left unfinished is finished first, from its row. What goes wrong with one upload, ours
 * or the uploader's, never stops another.
 */
import { unlink } from 'node:fs/promises';
import path from 'node:path';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import type { Garage } from '../context.ts';
import { acceptUpload, rejectUpload } from './decide.ts';
import { EVERY_UPLOAD, type IsWanted } from './only.ts';
import { decidedOutcome, type UploadOutcome } from './outcome.ts';
import { incomingFolder } from './places.ts';
import { Rejection } from './rejection.ts';
import { isHeld, MAX_FAILURES, noteFailure, type Failure } from './retries.ts';
import { findSets, type FolderSets } from './sets.ts';
import { settleUpload, type OnStep } from './settle.ts';
import { scanSpool, type SpoolFolder } from './spool-scan.ts';
import { recordUpload, takeFiles, untakenNames } from './take.ts';
import { readUpload, unsettledUploads, type UploadRow } from './upload-row.ts';
import { noFacts, verifyUpload } from './verify.ts';

/** Uploads that one round takes; the next, which follows at once, goes on. */
const MAX_UPLOADS_PER_ROUND = 500;

export interface TakeOptions {
  now?: Date;
  /** Told of each outcome as it comes. */
  onOutcome?: (outcome: UploadOutcome) => void;
  /** Sentences for the admin about the spool itself; each is told once in a process's life. */
  onOddity?: (sentence: string) => void;
  /** Takes these only; what waits or is unfinished beside them is not touched. */
  isWanted?: IsWanted;
  /** Asked before each upload; true ends the round there. */
  shouldStop?: () => boolean;
  /** Told of each step (`recorded`, `moving`, `taken`, `verified`, `decided`, `prepared`, `moved`); for tests. */
  onStep?: OnStep;
}

type Options = Required<TakeOptions>;

/** Does one round. Throws only when spool or database cannot be read at all. */
export async function takeUploads(garage: Garage, options: TakeOptions = {}): Promise<UploadOutcome[]> {
  const all: Options = { ...DEFAULTS, now: new Date(), ...options };
  const outcomes: UploadOutcome[] = [];
  const tell = (outcome: UploadOutcome): void => {
    outcomes.push(outcome);
    all.onOutcome(outcome);
  };
  for (const upload of await unsettledUploads(garage.pool)) {
    if (all.shouldStop()) return outcomes;
    if (!all.isWanted(incomingFolder(garage.home, upload), upload.files)) continue;
    tell(isHeld(upload, all.now) ? heldOutcome(upload) : await finishUpload(garage, upload, all));
  }
  const folders = await readSpool(garage, all.onOddity);
  const claimed = await claimedNames(garage);
  for (const folder of folders) {
    if (all.shouldStop() || outcomes.length >= MAX_UPLOADS_PER_ROUND) return outcomes;
    try {
      await takeFolder(garage, folder, claimed.get(folder.path) ?? new Set(), all, tell);
    } catch (error) {
      garage.log.error({ err: error, folder: folder.path }, 'folder not looked at; it is tried again');
    }
  }
  return outcomes;
}

const DEFAULTS: Omit<Options, 'now'> = {
  onOutcome: () => undefined,
  onOddity: () => undefined,
  shouldStop: () => false,
  onStep: () => undefined,
  isWanted: EVERY_UPLOAD,
};

const toldOddities = new WeakMap<Garage, Set<string>>();

/** Folders of accounts; what else lies in the spool is told once in a process's life. */
export async function readSpool(
  garage: Garage,
  onOddity: (sentence: string) => void,
): Promise<SpoolFolder[]> {
  const { rows } = await garage.pool.query<{ login: string }>('select login from accounts');
  const logins = new Set(rows.map(({ login }) => login));
  const { folders, oddities } = await scanSpool(garage, (login) => logins.has(login));
  const told = toldOddities.get(garage) ?? new Set<string>();
  toldOddities.set(garage, told);
  for (const oddity of oddities.filter((sentence) => !told.has(sentence))) {
    told.add(oddity);
    garage.log.warn(oddity);
    onOddity(oddity);
  }
  return folders;
}

async function takeFolder(
  garage: Garage,
  folder: SpoolFolder,
  claimed: ReadonlySet<string>,
  options: Options,
  tell: (outcome: UploadOutcome) => void,
): Promise<void> {
  if (folder.entries.size === 0) return;
  const sets = await findSets(folder, claimed, options.now.getTime(), garage.config);
  const { product, login } = folder;
  if (options.isWanted === EVERY_UPLOAD) await removeLogs(folder, sets);
  const ready = sets.ready.filter(({ files }) => options.isWanted(folder.path, files));
  for (const set of ready.slice(0, MAX_UPLOADS_PER_ROUND)) {
    if (options.shouldStop()) return;
    tell(await takeSet(garage, { product, login }, set, options));
  }
  for (const { trigger, missing, untilMs } of sets.waiting) {
    if (!options.isWanted(folder.path, [trigger])) continue;
    tell({ kind: 'waiting', product, login, trigger, missing, until: new Date(untilMs) });
  }
}

/** By folder, names that an unfinished upload has recorded but not moved yet: its own, whatever is tried next. */
export async function claimedNames(garage: Garage): Promise<Map<string, Set<string>>> {
  const claimed = new Map<string, Set<string>>();
  for (const upload of await unsettledUploads(garage.pool)) {
    if (upload.status !== 'verifying') continue;
    const folder = incomingFolder(garage.home, upload);
    const names = claimed.get(folder) ?? new Set<string>();
    claimed.set(folder, names);
    for (const name of await untakenNames(garage, upload)) names.add(name);
  }
  return claimed;
}

async function removeLogs(folder: SpoolFolder, sets: FolderSets): Promise<void> {
  for (const name of sets.logs) await unlink(path.join(folder.path, name)).catch(() => undefined);
}

async function takeSet(
  garage: Garage,
  owner: { product: string; login: string },
  set: FolderSets['ready'][number],
  options: Options,
): Promise<UploadOutcome> {
  try {
    const id = await recordUpload(garage, owner, set);
    options.onStep('recorded');
    return await finishUpload(garage, await requireUpload(garage, id), options);
  } catch (error) {
    garage.log.error(
      { err: error, ...owner, trigger: set.trigger },
      'upload not recorded; it is tried again',
    );
    const { trigger } = set;
    const message = messageOf(error);
    return { kind: 'failed', uploadId: null, ...owner, trigger, message, retryAt: null, isGivenUp: false };
  }
}

/** Everything from a committed intent to the last place; each part is skipped where its result is there. */
async function finishUpload(garage: Garage, upload: UploadRow, options: Options): Promise<UploadOutcome> {
  try {
    let current = upload;
    if (current.status === 'verifying') {
      await decideUpload(garage, current, options);
      current = await requireUpload(garage, upload.id);
      options.onStep('decided');
    }
    await settleUpload(garage, current, options.onStep);
    return decidedOutcome(current);
  } catch (error) {
    garage.log.error({ err: error, upload: upload.id }, 'upload not finished; it is tried again');
    return failedOutcome(upload, await noteFailure(garage, upload, error, options.now));
  }
}

function failedOutcome(upload: UploadRow, failure: Failure): UploadOutcome {
  const { id, product, login, trigger } = upload;
  const { message, retryAt, failures } = failure;
  const isGivenUp = failures >= MAX_FAILURES;
  return { kind: 'failed', uploadId: id, product, login, trigger, message, retryAt, isGivenUp };
}

function heldOutcome(upload: UploadRow): UploadOutcome {
  const { failures, lastFailure, retryAt } = upload;
  return failedOutcome(upload, { failures, message: lastFailure ?? '', retryAt });
}

async function decideUpload(garage: Garage, upload: UploadRow, options: Options): Promise<void> {
  const folder = await takeFiles(garage, upload, () => options.onStep('moving'));
  options.onStep('taken');
  const facts = noFacts();
  try {
    const verified = await verifyUpload(garage, upload, folder, facts, { now: options.now });
    options.onStep('verified');
    await acceptUpload(garage, upload, verified, facts);
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    if (error.cause instanceof Error && !(error.cause instanceof AppError)) {
      garage.log.warn(
        { err: error.cause, upload: upload.id, code: error.code },
        'a check broke on an upload',
      );
    }
    options.onStep('verified');
    await rejectUpload(garage, upload, error, facts);
  }
}

async function requireUpload(garage: Garage, id: string): Promise<UploadRow> {
  const upload = await readUpload(garage.pool, id);
  if (upload) return upload;
  throw new AppError('upload-unknown', `There is no upload ${id}`);
}
