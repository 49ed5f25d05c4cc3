import { AppError, type AppErrorOptions } from '../../../shared/errors/app-error.ts';

/**
 * The upload is wrong: stored with its row and told to the uploader. Anything else that is thrown while an
 * upload is looked at is our fault, and the upload is tried again.
 */
export class Rejection extends AppError {
  constructor(code: string, reason: string, options: AppErrorOptions = {}) {
    // It goes into rows, mails and terminals: what an uploader wrote may hold no control character there.
    super(code, reason.replaceAll(/\p{Cc}+/gu, '?'), options);
    this.name = 'Rejection';
  }
}

/**
 * Runs a pure parser or check of shared/ on an uploader's text, `prefix` before what it says. Whatever it
 * throws comes from that text and would come again, so it is a rejection, never a reason to try again.
 */
export async function rejecting<T>(prefix: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Rejection) throw error;
    if (!(error instanceof AppError)) {
      throw new Rejection('control-file-unreadable', `${prefix} cannot be read`, { cause: error });
    }
    const options = error.hint === undefined ? { cause: error } : { cause: error, hint: error.hint };
    throw new Rejection(error.code, `${prefix}: ${error.message}`, options);
  }
}
