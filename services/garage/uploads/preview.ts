/**
 * What a round would do, changing nothing: sets are verified where they lie. Each is held against the archive
 * as it is now, so one that needs another of the same round (its orig tarball, its source) is told too early.
 */
import { messageOf } from '../../../shared/errors/app-error.ts';
import { firstRow } from '../../../shared/database/pool.ts';
import type { Garage } from '../context.ts';
import { EVERY_UPLOAD, type IsWanted } from './only.ts';
import { foreseenOutcome, type UploadOutcome } from './outcome.ts';
import { incomingFolder } from './places.ts';
import { Rejection } from './rejection.ts';
import { findSets, type FoundSet } from './sets.ts';
import type { SpoolFolder } from './spool-scan.ts';
import { claimedNames, readSpool } from './take-uploads.ts';
import { unsettledUploads, type UploadRow } from './upload-row.ts';
import { noFacts, verifyUpload } from './verify.ts';

export interface PreviewOptions {
  now?: Date;
  isWanted?: IsWanted;
  onOutcome?: (outcome: UploadOutcome) => void;
  onOddity?: (sentence: string) => void;
}

/** No upload has it; what is looked at here has no row. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** One outcome for each set and each upload that an earlier round left. Throws as `takeUploads`. */
export async function previewUploads(garage: Garage, options: PreviewOptions = {}): Promise<UploadOutcome[]> {
  const now = options.now ?? new Date();
  const isWanted = options.isWanted ?? EVERY_UPLOAD;
  const outcomes: UploadOutcome[] = [];
  const tell = (outcome: UploadOutcome): void => {
    outcomes.push(outcome);
    options.onOutcome?.(outcome);
  };
  for (const { id, product, login, trigger, files } of await unsettledUploads(garage.pool)) {
    if (!isWanted(incomingFolder(garage.home, { product, login }), files)) continue;
    tell({ kind: 'unfinished', uploadId: id, product, login, trigger });
  }
  const claimed = await claimedNames(garage);
  for (const folder of await readSpool(garage, options.onOddity ?? (() => undefined))) {
    const names = claimed.get(folder.path) ?? new Set<string>();
    const sets = await findSets(folder, names, now.getTime(), garage.config);
    const { product, login } = folder;
    for (const set of sets.ready.filter(({ files }) => isWanted(folder.path, files))) {
      tell(await foresee(garage, folder, set, now));
    }
    for (const { trigger, missing, untilMs } of sets.waiting) {
      if (!isWanted(folder.path, [trigger])) continue;
      tell({ kind: 'waiting', product, login, trigger, missing, until: new Date(untilMs) });
    }
  }
  return outcomes;
}

async function foresee(
  garage: Garage,
  folder: SpoolFolder,
  set: FoundSet,
  now: Date,
): Promise<UploadOutcome> {
  const { product, login } = folder;
  const facts = noFacts();
  try {
    const upload = await wouldBeRow(garage, folder, set);
    try {
      const options = { now, isReadOnly: true };
      return foreseenOutcome(upload, facts, await verifyUpload(garage, upload, folder.path, facts, options));
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      return foreseenOutcome(upload, facts, error);
    }
  } catch (error) {
    const message = messageOf(error);
    const { trigger } = set;
    return {
      kind: 'failed',
      uploadId: null,
      product,
      login,
      trigger,
      message,
      retryAt: null,
      isGivenUp: false,
    };
  }
}

/** The row that a round would write for the set. */
async function wouldBeRow(garage: Garage, folder: SpoolFolder, set: FoundSet): Promise<UploadRow> {
  const { product, login } = folder;
  const { rows } = await garage.pool.query<Pick<UploadRow, 'accountId' | 'email' | 'admin' | 'disabled'>>(
    `select id as "accountId", email, admin, disabled_at is not null as disabled
       from accounts where login = $1`,
    [login],
  );
  const account = firstRow(rows, 'account-unknown', `There is no account '${login}'`);
  return {
    ...account,
    ...{ id: NO_ID, product, login, trigger: set.trigger, files: set.files, status: 'verifying' },
    ...{ source: null, version: null, reasonCode: null, reason: null, hint: null, warnings: [] },
    ...{ settledAt: null, failures: 0, lastFailure: null, retryAt: null },
  };
}
