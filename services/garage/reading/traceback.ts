/** Python's tracebacks: the error stands on the last line, the place on the one before. */
import type { ErrorKind } from './kinds.ts';

export interface Traceback {
  kind: ErrorKind;
  file: string | null;
  fileLine: number | null;
}

const HEAD = /^\s*Traceback \(most recent call last\):$/;
const FRAME = /^\s+File "(?<file>[^"]+)", line (?<line>\d+)/;
const END = /^(?<name>[A-Za-z_][\w.]*)(?:: (?<what>.*))?$/;
/** Deeper ones are cut by Python itself; text that only looks like one does not keep the reader for ever. */
const MAX_LINES = 2_000;

export class TracebackReader {
  #lines = -1;
  #file: string | null = null;
  #fileLine: number | null = null;

  /** The traceback that ends with this line, or null. */
  take(line: string): Traceback | null {
    if (HEAD.test(line)) {
      this.#lines = 0;
      this.#file = null;
      return null;
    }
    if (this.#lines < 0) return null;
    this.#lines += 1;
    const frame = FRAME.exec(line)?.groups;
    if (frame) {
      this.#file = frame['file'] ?? null;
      this.#fileLine = Number(frame['line']);
      return null;
    }
    if (/^\s/.test(line) && this.#lines < MAX_LINES) return null;
    this.#lines = -1;
    const name = END.exec(line)?.groups?.['name'];
    if (name === undefined) return null;
    return { kind: kindOf(name), file: this.#file, fileLine: this.#file === null ? null : this.#fileLine };
  }
}

function kindOf(name: string): ErrorKind {
  switch (name) {
    case 'ModuleNotFoundError':
    case 'ImportError':
      return 'missing-module';
    case 'FileNotFoundError':
      return 'missing-file';
    case 'PermissionError':
      return 'permission';
    case 'MemoryError':
      return 'memory';
    case 'AssertionError':
      return 'tests';
    default:
      return 'exception';
  }
}
