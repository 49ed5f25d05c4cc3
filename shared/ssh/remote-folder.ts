/** What lies in a folder on a host. */
import ssh2, { type FileEntryWithStats } from 'ssh2';
import { AppError } from '../errors/app-error.ts';
import type { RemoteSession } from './remote-files.ts';

/** One answer; past it the host hangs. */
const ANSWER_TIMEOUT_MS = 60_000;

type Done<T> = (error: (Error & { code?: number }) | undefined | null, value: T) => void;

function ask<T>(remote: RemoteSession, request: (done: Done<T>) => void): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new AppError('remote-folder-failed', why));
    const timer = setTimeout(() => fail('The host does not answer'), ANSWER_TIMEOUT_MS);
    const onClose = (): void => fail('The connection closed');
    remote.closed.addEventListener('abort', onClose, { once: true });
    request((error, value) => {
      clearTimeout(timer);
      remote.closed.removeEventListener('abort', onClose);
      const { EOF, NO_SUCH_FILE } = ssh2.utils.sftp.STATUS_CODE;
      if (!error) resolve(value);
      else if (error.code === EOF || error.code === NO_SUCH_FILE) resolve(null);
      else fail(error.message);
    });
  });
}

/**
 * Names in a folder, at most `maxNames` of them; none where there is no folder. Throws
 * `remote-folder-failed`.
 */
export async function remoteNames(
  remote: RemoteSession,
  folder: string,
  maxNames: number,
): Promise<string[]> {
  if (remote.closed.aborted) throw new AppError('remote-folder-failed', 'The connection is closed');
  const handle = await ask<Buffer>(remote, (done) => remote.sftp.opendir(folder, done));
  if (handle === null) return [];
  const names: string[] = [];
  try {
    while (names.length < maxNames) {
      const entries = await ask<FileEntryWithStats[]>(remote, (done) => remote.sftp.readdir(handle, done));
      if (entries === null) break;
      names.push(...entries.map((entry) => entry.filename));
    }
  } finally {
    remote.sftp.close(handle, () => undefined);
  }
  return names.filter((name) => name !== '.' && name !== '..').slice(0, maxNames);
}
