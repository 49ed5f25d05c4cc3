/** How a source ended as a whole, and whether that is news compared with its end before; pure. */
import { unreachable } from '../../../shared/errors/app-error.ts';
import type { BuildStatus } from '../buildme/transitions.ts';

export type Verdict = 'good' | 'failed' | 'waiting' | 'none';

/** One failure makes a failure; `none`: nothing was built, by somebody's wish. */
export function verdictOf(builds: readonly { status: BuildStatus }[]): Verdict {
  const has = (status: BuildStatus): boolean => builds.some((build) => build.status === status);
  if (has('attempted')) return 'failed';
  if (has('dep-wait')) return 'waiting';
  return has('installed') ? 'good' : 'none';
}

/** The last end before this one that was good or failed. */
export interface EarlierEnd {
  verdict: 'good' | 'failed';
  version: string;
}

export type EndMark =
  | { kind: 'first-failure'; goodVersion: string }
  | { kind: 'failed-again'; failedVersion: string }
  | { kind: 'fixed'; failedVersion: string };

/** Null when it is no news, or nothing is known of earlier. */
export function markOf(verdict: Verdict, earlier: EarlierEnd | null): EndMark | null {
  if (earlier === null) return null;
  switch (verdict) {
    case 'failed':
      return earlier.verdict === 'good'
        ? { kind: 'first-failure', goodVersion: earlier.version }
        : { kind: 'failed-again', failedVersion: earlier.version };
    case 'good':
      return earlier.verdict === 'failed' ? { kind: 'fixed', failedVersion: earlier.version } : null;
    case 'waiting':
    case 'none':
      return null;
    default:
      return unreachable(verdict);
  }
}

/** At the end of a subject, in brackets. */
export function markWord(mark: EndMark): string {
  switch (mark.kind) {
    case 'first-failure':
      return `first failure since ${mark.goodVersion}`;
    case 'failed-again':
      return 'FAILED again';
    case 'fixed':
      return 'FIXED';
    default:
      return unreachable(mark);
  }
}

export function markSentence(mark: EndMark): string {
  switch (mark.kind) {
    case 'first-failure':
      return `This is the first failure after a success (${mark.goodVersion}).`;
    case 'failed-again':
      return `It failed before, too (${mark.failedVersion}).`;
    case 'fixed':
      return `It had failed before (${mark.failedVersion}) and is fixed again.`;
    default:
      return unreachable(mark);
  }
}
