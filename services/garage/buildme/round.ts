/** One round of buildme: the accounts snapshot is brought up to date, then everything in the spool is taken. */
import type { Garage } from '../context.ts';
import { writeSnapshot } from '../accounts/snapshot.ts';
import { handOverUploaded } from '../uploads/hand-over.ts';
import { EVERY_UPLOAD, type IsWanted } from '../uploads/only.ts';
import { stamp } from '../../../shared/cli/stamp.ts';
import { outcomeLines, type UploadOutcome } from '../uploads/outcome.ts';
import { previewUploads } from '../uploads/preview.ts';
import { takeUploads } from '../uploads/take-uploads.ts';
import { holdBuildme, type Held } from './single-instance.ts';

/** A round that found another running looks again after this: what arrived meanwhile may be left to it. */
const BUSY_RETRY_MS = 5_000;

export interface RoundOptions {
  /** Each line as the old buildme printed it. */
  onLine?: (line: string) => void;
  now?: Date;
  /** Takes these uploads only. */
  isWanted?: IsWanted;
  /** Says what would happen and changes nothing. */
  isDry?: boolean;
}

export type RoundResult =
  /** Another round is running; nothing was done. */
  { kind: 'busy'; holder: string } | { kind: 'done'; outcomes: UploadOutcome[] };

/** Does one round unless another is running. Throws when database or spool cannot be read at all. */
export async function buildmeRound(garage: Garage, options: RoundOptions = {}): Promise<RoundResult> {
  const onLine = options.onLine ?? (() => undefined);
  const lock = await holdBuildme(garage);
  if (lock.kind === 'busy') {
    onLine(`[${stamp(new Date())}] another buildme is running (${lock.holder}); this one leaves`);
    return { kind: 'busy', holder: lock.holder };
  }
  try {
    return { kind: 'done', outcomes: await heldRound(garage, lock, { ...options, onLine }) };
  } finally {
    await lock.release();
  }
}

async function heldRound(
  garage: Garage,
  lock: Held & { kind: 'held' },
  { onLine, now, isWanted = EVERY_UPLOAD, isDry }: RoundOptions & { onLine: (line: string) => void },
): Promise<UploadOutcome[]> {
  const telling = {
    ...(now ? { now } : {}),
    isWanted,
    onOddity: onLine,
    onOutcome: (outcome: UploadOutcome): void => {
      for (const line of outcomeLines(garage.home.incoming, outcome, new Date())) onLine(line);
    },
  };
  if (isDry) return previewUploads(garage, telling);
  await writeSnapshot(garage);
  const outcomes = await takeUploads(garage, { ...telling, shouldStop: () => lock.isLost() });
  if (!lock.isLost()) await handOverUploaded(garage);
  return outcomes;
}

/** When the next look is worth it, in milliseconds since 1970: for what waits, failed, or was left to another. */
export function nextDeadlineMs(result: RoundResult): number | null {
  if (result.kind === 'busy') return Date.now() + BUSY_RETRY_MS;
  const times = result.outcomes.flatMap((outcome) => {
    if (outcome.kind === 'waiting') return [outcome.until.getTime()];
    if (outcome.kind === 'failed' && outcome.retryAt) return [outcome.retryAt.getTime()];
    return [];
  });
  return times.length > 0 ? Math.min(...times) : null;
}
