import type { ErrorKind } from '../kinds.ts';

/**
 * How one tool says that something is wrong. Groups: `file` and `line`, where it names them.
 *
 * `certain`: whoever prints this stops, or makes its caller stop; the first one is the reason.
 * `likely`: also said in passing (a shell that tries a program, a test that wants an error); the one
 * nearest to where the build stopped is taken, and only if there is no certain one.
 */
export interface ErrorPattern {
  kind: ErrorKind;
  line: RegExp;
  trust: 'certain' | 'likely';
}

export const certain = (kind: ErrorKind, line: RegExp): ErrorPattern => ({ kind, line, trust: 'certain' });
export const likely = (kind: ErrorKind, line: RegExp): ErrorPattern => ({ kind, line, trust: 'likely' });
