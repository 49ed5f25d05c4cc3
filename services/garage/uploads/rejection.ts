import { AppError, type AppErrorOptions } from '../../../shared/errors/app-error.ts';

/**
 * The upload is wrong: stored with its row and told to the uploader. Anything else that is thrown while an
 * upload is looked at is our fault, and the upload is tried again.
 */
export class Rejection extends AppError {
  constructor(code: string, reason: string, options: AppErrorOptions = {}) {
    super(code, reason, options);
    this.name = 'Rejection';
  }
}

/** Runs a parser or check of shared/ on an uploader's text: what it refuses is a rejection, `prefix` before it. */
export async function rejecting<T>(prefix: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AppError) || error instanceof Rejection) throw error;
    const options = error.hint === undefined ? { cause: error } : { cause: error, hint: error.hint };
    throw new Rejection(error.code, `${prefix}: ${error.message}`, options);
  }
}
