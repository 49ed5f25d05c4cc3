/** Everything a person needs to act on a failure; see {@link AppError}. */
export interface AppErrorOptions {
  /** What the reader can do next, one sentence. */
  hint?: string;
  /** The error underneath; goes to logs, never to a client. */
  cause?: unknown;
  /** Structured facts for logs and `--json`; must be safe to show. */
  detail?: Record<string, unknown>;
}

/**
 * The one error type that crosses module borders.
 *
 * `code` is stable (kebab-case, documented, stored with rows), `message` says what is wrong with the
 * offending value in it, `hint` says what to do. Turned into an HTTP problem document, a CLI line or a
 * mail only at the edge.
 */
export class AppError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly detail: Record<string, unknown>;

  constructor(code: string, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.hint = options.hint;
    this.detail = options.detail ?? {};
  }
}

/** The message of whatever was thrown, without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for a Node system error with one of these codes (`ENOENT`, `EEXIST`, ...). */
export function hasErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** For the `default` of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
