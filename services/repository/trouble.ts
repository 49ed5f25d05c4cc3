/** What an error that is ours says to those whose set or order waits for it. */
import { AppError, hasErrno } from '../../shared/errors/app-error.ts';

/** Of an error that is neither a full disk nor one with a code of ours. */
export const UNFORESEEN = 'repository-error';

/** In the words of what waits. */
export interface TroubleWords {
  whenFull: string;
  /** `why`: what one of our own errors says; '' for any other. */
  otherwise(why: string): string;
}

/** The code and the reason that a row gets. */
export function troubleOf(error: unknown, words: TroubleWords): { code: string; reason: string } {
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) return { code: 'disk-full', reason: words.whenFull };
  if (error instanceof AppError) return { code: error.code, reason: words.otherwise(error.message) };
  return { code: UNFORESEEN, reason: words.otherwise('') };
}
