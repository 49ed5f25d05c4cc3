/** How a check ends: well, with a note, or with a failure that carries why. */
import { MAX_REPORT_LINES, type CheckReport } from '../../../shared/protocol/job.ts';

const MAX_NOTE_CHARS = 1000;
const MAX_LINE_CHARS = 500;

export type Verdict =
  | { kind: 'passed'; report: CheckReport }
  | { kind: 'failed'; report: CheckReport }
  /** It needs what nobody has yet. */
  | { kind: 'unmet'; report: CheckReport; missing: string[] };

/** What packages say is shown to people: no control characters, no endless lines. */
function clean(text: string, maxChars: number): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, maxChars);
}

export function reportOf(note: string, lines: string[] = []): CheckReport {
  const shown = lines.slice(0, MAX_REPORT_LINES).map((line) => clean(line, MAX_LINE_CHARS));
  if (lines.length > MAX_REPORT_LINES) {
    shown[MAX_REPORT_LINES - 1] = `and ${lines.length - MAX_REPORT_LINES + 1} more, see the log`;
  }
  return { note: clean(note, MAX_NOTE_CHARS), lines: shown };
}

export function passed(note: string, lines: string[] = []): Verdict {
  return { kind: 'passed', report: reportOf(note, lines) };
}

export function failed(note: string, lines: string[] = []): Verdict {
  return { kind: 'failed', report: reportOf(note, lines) };
}
