/** How errors look to an SFTP client. */
import ssh2 from 'ssh2';
import { AppError } from '../../../shared/errors/app-error.ts';

const { STATUS_CODE } = ssh2.utils.sftp;

const MISSING = new Set(['file-missing', 'folder-unknown']);
const DENIED = new Set(['path-escapes', 'path-too-long', 'file-name-invalid', 'not-allowed', 'login-ended']);

export interface SftpStatus {
  code: number;
  /** Message and hint; never an internal detail. */
  text: string;
}

/** The status for whatever a request threw. */
export function statusOf(error: unknown): SftpStatus {
  if (!(error instanceof AppError)) {
    return {
      code: STATUS_CODE.FAILURE,
      text: 'Something went wrong on the server; the administrator can see what.',
    };
  }
  const text = error.hint ? `${error.message}. ${error.hint}` : error.message;
  if (MISSING.has(error.code)) return { code: STATUS_CODE.NO_SUCH_FILE, text };
  if (DENIED.has(error.code)) return { code: STATUS_CODE.PERMISSION_DENIED, text };
  return { code: STATUS_CODE.FAILURE, text };
}

/** What this server never does, for anybody. */
export function notAllowed(what: string): AppError {
  return new AppError('not-allowed', what);
}
