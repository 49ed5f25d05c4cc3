/** Why a mail was not taken, and whether to try again; pure. */
import { messageOf } from '../../../shared/errors/app-error.ts';

export interface MailFailure {
  /** `server`: away, busy, or it does not let us in; every mail waits. `mail`: this recipient or this text. */
  kind: 'server' | 'mail';
  /** The server will never take it; said by a 5xx to this recipient or text. */
  isFinal: boolean;
  /** One line for people. */
  message: string;
}

const MAX_MESSAGE_CHARS = 500;
/** "Log in first", "use TLS first": ours to mend, and then the same mail goes through. */
const LOGIN_CODES = new Set([530, 534, 535, 538]);

/** What nodemailer says of an answer: the command it was to, and the three digits. */
interface SmtpError {
  command?: unknown;
  responseCode?: unknown;
}

/** Of whatever a transport throws. */
export function readFailure(error: unknown): MailFailure {
  const { command, responseCode } = (error ?? {}) as SmtpError;
  const message = messageOf(error)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, MAX_MESSAGE_CHARS)
    .toWellFormed();
  const code = typeof responseCode === 'number' ? responseCode : 0;
  const isAboutMail = command === 'RCPT TO' || command === 'DATA';
  if (!isAboutMail || code < 400 || LOGIN_CODES.has(code)) return { kind: 'server', isFinal: false, message };
  return { kind: 'mail', isFinal: code >= 500, message };
}
