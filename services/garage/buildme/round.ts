/** One round of buildme: the accounts snapshot is brought up to date, then everything in the spool is taken. */
import type { Garage } from '../context.ts';
import { writeSnapshot } from '../accounts/snapshot.ts';
import { outcomeLines, stamp, type UploadOutcome } from '../uploads/outcome.ts';
import { takeUploads } from '../uploads/take-uploads.ts';
import { holdBuildme } from './single-instance.ts';

export interface RoundOptions {
  /** Each line as the old buildme printed it. */
  onLine?: (line: string) => void;
  now?: Date;
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
    await writeSnapshot(garage);
    const outcomes = await takeUploads(garage, {
      ...(options.now ? { now: options.now } : {}),
      shouldStop: () => lock.isLost(),
      onOddity: onLine,
      onOutcome: (outcome) => {
        for (const line of outcomeLines(garage.home.incoming, outcome, new Date())) onLine(line);
      },
    });
    return { kind: 'done', outcomes };
  } finally {
    await lock.release();
  }
}

/** When a set that waits now may be taken, in milliseconds since 1970; null when none waits. */
export function nextDeadlineMs(result: RoundResult): number | null {
  if (result.kind === 'busy') return null;
  const times = result.outcomes.flatMap((outcome) =>
    outcome.kind === 'waiting' ? [outcome.until.getTime()] : [],
  );
  return times.length > 0 ? Math.min(...times) : null;
}
