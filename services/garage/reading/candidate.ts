/** An error with the lines around it, while the log is still being read. */
import type { ErrorKind } from './kinds.ts';
import type { FirstError } from './types.ts';

const AFTER_LINES = 12;
const MAX_LINE_CHARS = 400;

const clip = (line: string): string => line.slice(0, MAX_LINE_CHARS).toWellFormed();

export class Candidate {
  readonly #error: FirstError;

  constructor(kind: ErrorKind, text: string, logLine: number | null, before: string[], after: string[]) {
    const [clippedBefore, clippedAfter] = [before.map(clip), after.map(clip)];
    this.#error = {
      ...{ kind, text: clip(text), logLine, file: null, fileLine: null },
      ...{ before: clippedBefore, after: clippedAfter },
    };
  }

  addAfter(line: string): void {
    if (this.#error.after.length < AFTER_LINES) this.#error.after.push(clip(line));
  }

  /** What is named later does not replace what was named first. */
  place(file: string, line: string | number | null | undefined): void {
    if (this.#error.file !== null && this.#error.fileLine !== null) return;
    this.#error.file = clip(file.trim());
    this.placeLine(line);
  }

  placeLine(line: string | number | null | undefined): void {
    const number = Number(line ?? Number.NaN);
    if (Number.isSafeInteger(number) && number >= 0) this.#error.fileLine = number;
  }

  /** With the place that stands in a line beside it, where tools say it there. */
  toError(): FirstError {
    const error = { ...this.#error };
    const rust = matchIn(error.after.slice(0, 2), /^\s*--> (.+):(\d+):\d+$/);
    if (error.file === null && rust) [error.file, error.fileLine] = [rust[1] ?? null, Number(rust[2])];
    const patched = matchIn(error.before.toReversed(), /^patching file '?([^']+?)'?$/);
    if (error.kind === 'patch' && error.file === null && patched) error.file = patched[1] ?? null;
    return error;
  }
}

function matchIn(lines: string[], form: RegExp): RegExpExecArray | null {
  for (const line of lines) {
    const match = form.exec(line);
    if (match) return match;
  }
  return null;
}
