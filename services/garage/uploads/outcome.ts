import path from 'node:path';
import type { UploadRow } from './upload-row.ts';

/** What a round says of one upload or one set that is not whole yet. */
export type UploadOutcome = { product: string; login: string; trigger: string } & (
  | {
      kind: 'decided';
      uploadId: string;
      status: 'accepted' | 'rejected';
      source: string | null;
      version: string | null;
      code: string | null;
      reason: string | null;
      hint: string | null;
      warnings: string[];
    }
  /** Our fault; tried again in the next round. */
  | { kind: 'failed'; uploadId: string | null; message: string }
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

/** The lines that buildme has always printed. `at` is when it was decided. */
export function outcomeLines(incoming: string, outcome: UploadOutcome, at: Date): string[] {
  const name = path.join(incoming, outcome.product, outcome.login, outcome.trigger);
  const lines = [`>>>> ${oneLine(name)}`];
  const say = (text: string): number => lines.push(`[${stamp(at)}] ${oneLine(text)}`);
  switch (outcome.kind) {
    case 'decided':
      for (const warning of outcome.warnings) say(`WARNING: ${warning}`);
      if (outcome.status === 'rejected') say(`REJECTED: "${outcome.reason ?? ''}"`);
      else say(`ACCEPTED: ${outcome.source ?? ''} ${outcome.version ?? ''} for ${outcome.product}`);
      break;
    case 'failed':
      say(`FAILED: "${outcome.message}" (it is tried again)`);
      break;
    case 'waiting':
      say(
        `WAITING: ${outcome.missing.length > 0 ? `for ${outcome.missing.join(' ')} ` : ''}until ${stamp(outcome.until)}`,
      );
      break;
    default:
      outcome satisfies never;
  }
  return lines;
}

/** `2013-11-23 18:22:39` in local time, as the old logs have it. */
export function stamp(date: Date): string {
  const day = [date.getFullYear(), twoDigits(date.getMonth() + 1), twoDigits(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** Names come from uploaders; none of them may write a line of its own into an admin's terminal. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, '?');
}
