import { AppError } from '../../../shared/errors/app-error.ts';
import { codeOf, isReasonName, REASONS, type Reason, type ReasonName, type ReasonValues } from './reasons.ts';

/** A .changes has a few long names in a sentence; more is an attempt to fill mails. */
const MAX_TEXT_LENGTH = 2_000;

/**
 * The upload is wrong: stored with its row and told to the uploader. Anything else that is thrown while an
 * upload is looked at is our fault, and the upload is tried again. Made by {@link reject} only, so that
 * every code, sentence and next step stands in reasons.ts.
 */
export class Rejection extends AppError {
  declare readonly hint: string;

  constructor(name: ReasonName, reason: string, hint: string, cause?: unknown) {
    super(codeOf(name), harmless(reason), {
      hint: harmless(hint),
      ...(cause === undefined ? {} : { cause }),
    });
    this.name = 'Rejection';
  }
}

/** It goes into rows, mails and terminals: what an uploader wrote may hold no control character there. */
function harmless(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, '?').slice(0, MAX_TEXT_LENGTH);
}

/** A rejection with the sentence and next step of reasons.ts; `cause` goes to logs only. */
export function reject<Name extends ReasonName>(
  name: Name,
  values: ReasonValues<Name>,
  cause?: unknown,
): Rejection {
  const { sentence, next }: Reason = REASONS[name];
  return new Rejection(name, filled(sentence, values), filled(next, values), cause);
}

function filled(text: string, values: Record<string, string | number>): string {
  return text.replaceAll(/\{([a-z]+)\}/g, (_, place: string) => String(values[place] ?? ''));
}

/**
 * Runs a pure parser or check of shared/ on an uploader's text, `file` before what it says. Whatever it
 * throws comes from that text and would come again, so it is a rejection, never a reason to try again.
 */
export async function rejecting<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Rejection) throw error;
    if (!(error instanceof AppError) || !isReasonName(error.code)) {
      throw reject('control-file-unreadable', { file }, error);
    }
    throw new Rejection(
      error.code,
      `${file}: ${error.message}`,
      error.hint ?? REASONS[error.code].next,
      error,
    );
  }
}
