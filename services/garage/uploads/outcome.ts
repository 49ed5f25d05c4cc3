import { stamp } from '../../../shared/cli/stamp.ts';
import path from 'node:path';
import type { Rejection } from './rejection.ts';
import type { UploadRow } from './upload-row.ts';
import type { UploadFacts, VerifiedUpload } from './verify.ts';

interface Decision {
  status: 'accepted' | 'rejected';
  source: string | null;
  version: string | null;
  code: string | null;
  reason: string | null;
  hint: string | null;
  warnings: string[];
}

/** What a round says of one upload or one set that is not whole yet. */
export type UploadOutcome = { product: string; login: string; trigger: string } & (
  | ({ kind: 'decided'; uploadId: string } & Decision)
  /** A dry run: nothing was decided. */
  | ({ kind: 'foreseen' } & Decision)
  /** A dry run: an earlier round began it, and the next one ends it. */
  | { kind: 'unfinished'; uploadId: string }
  /** Our fault; tried again, at once where `retryAt` is null, unless it was given up. */
  | { kind: 'failed'; uploadId: string | null; message: string; retryAt: Date | null; isGivenUp: boolean }
  | { kind: 'waiting'; missing: string[]; until: Date }
);

/** The outcome that a decided row tells. */
export function decidedOutcome(upload: UploadRow): UploadOutcome {
  const { id, product, login, trigger, source, version, reason, hint, warnings } = upload;
  const status = upload.status === 'accepted' ? 'accepted' : 'rejected';
  return {
    ...{ kind: 'decided', uploadId: id, product, login, trigger, status, source, version },
    ...{ code: upload.reasonCode, reason, hint, warnings },
  };
}

/** What would be decided of an upload that was only looked at. */
export function foreseenOutcome(
  upload: Pick<UploadRow, 'product' | 'login' | 'trigger'>,
  facts: UploadFacts,
  result: VerifiedUpload | Rejection,
): UploadOutcome {
  const { product, login, trigger } = upload;
  const rejection = result instanceof Error ? result : null;
  return {
    ...{ kind: 'foreseen', product, login, trigger, status: rejection ? 'rejected' : 'accepted' },
    ...{ source: facts.source, version: facts.version, warnings: facts.warnings },
    ...{ code: rejection?.code ?? null, reason: rejection?.message ?? null, hint: rejection?.hint ?? null },
  };
}

/** The lines that buildme has always printed. `at` is when it was decided. */
export function outcomeLines(incoming: string, outcome: UploadOutcome, at: Date): string[] {
  const name = path.join(incoming, outcome.product, outcome.login, outcome.trigger);
  return [`>>>> ${oneLine(name)}`, ...sentences(outcome).map((text) => `[${stamp(at)}] ${oneLine(text)}`)];
}

function sentences(outcome: UploadOutcome): string[] {
  switch (outcome.kind) {
    case 'decided':
      return decisionSentences(outcome, outcome.product, '');
    case 'foreseen':
      return decisionSentences(outcome, outcome.product, 'would be ');
    case 'unfinished':
      return ['would be finished: an earlier round began it'];
    case 'failed':
      return [`FAILED: "${outcome.message}" (${nextTry(outcome)})`];
    case 'waiting': {
      const missing = outcome.missing.length > 0 ? `for ${outcome.missing.join(' ')} ` : '';
      return [`WAITING: ${missing}until ${stamp(outcome.until)}`];
    }
    default:
      return outcome satisfies never;
  }
}

function decisionSentences(decision: Decision, product: string, verb: string): string[] {
  const warnings = decision.warnings.map((warning) => `WARNING: ${warning}`);
  if (decision.status === 'rejected') return [...warnings, `${verb}REJECTED: "${decision.reason ?? ''}"`];
  return [...warnings, `${verb}ACCEPTED: ${decision.source ?? ''} ${decision.version ?? ''} for ${product}`];
}

function nextTry({ retryAt, isGivenUp }: { retryAt: Date | null; isGivenUp: boolean }): string {
  if (isGivenUp) return 'it is given up; buildme --retry tries it again';
  return retryAt === null ? 'it is tried again' : `it is tried again at ${stamp(retryAt)}`;
}

/** Names come from uploaders; none of them may write a line of its own into an admin's terminal. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, '?');
}
