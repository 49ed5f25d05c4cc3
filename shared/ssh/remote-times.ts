/** Times of files on a host, and removing what is old. */
import { AppError } from '../errors/app-error.ts';
import type { RemoteSession } from './remote-files.ts';

/** One answer; past it the host hangs. */
const ANSWER_TIMEOUT_MS = 60_000;

function ask(
  remote: RemoteSession,
  file: string,
  request: (done: (error?: Error | null) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (problem?: string): void => {
      clearTimeout(timer);
      remote.closed.removeEventListener('abort', onClose);
      if (problem === undefined) resolve();
      else reject(new AppError('remote-file-failed', `'${file}' on the host: ${problem}`));
    };
    const onClose = (): void => settle('the connection closed');
    const timer = setTimeout(() => settle('no answer'), ANSWER_TIMEOUT_MS);
    if (remote.closed.aborted) return onClose();
    remote.closed.addEventListener('abort', onClose, { once: true });
    try {
      request((error) => settle(error?.message));
    } catch (error) {
      settle(String(error)); // ssh2 throws when the channel is gone already
    }
  });
}

/** Says that a file was used at `at`, by our clock. Throws `remote-file-failed`. */
export function touchRemote(remote: RemoteSession, file: string, at: Date): Promise<void> {
  return ask(remote, file, (done) => remote.sftp.utimes(file, at, at, done));
}

/** Removes a file. Throws `remote-file-failed`, also where there is none. */
export function removeRemote(remote: RemoteSession, file: string): Promise<void> {
  return ask(remote, file, (done) => remote.sftp.unlink(file, done));
}
