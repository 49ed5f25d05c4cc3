import { connect } from 'node:net';
import path from 'node:path';
import { messageOf } from '../../errors/app-error.ts';
import { withFileLock } from '../../files/lock.ts';
import { embeddedPort, ensureEmbeddedDatabase } from './server.ts';

/** Services retry for longer than this, so a database that died costs them seconds. */
const LOOK_EVERY_MS = 2_000;
const CONNECT_TIMEOUT_MS = 1_000;
const LOCK_WAIT_S = 90;

/**
 * Starts the embedded server again whenever it does not answer: it is a daemon of its own and may be killed
 * like any other process. Until it was made for the first time nothing is done. Returns what ends the watch.
 */
export function keepEmbeddedDatabase(
  databaseHome: string,
  onEvent: (text: string) => void,
): () => Promise<void> {
  let looking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    const port = await embeddedPort(databaseHome);
    if (port === null || (await answers(port))) return;
    onEvent('the embedded PostgreSQL does not answer; starting it again');
    await withFileLock(path.join(databaseHome, 'lock'), LOCK_WAIT_S, () =>
      ensureEmbeddedDatabase(databaseHome),
    );
    onEvent('the embedded PostgreSQL runs again');
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    looking = look()
      .catch((error: unknown) => onEvent(`the embedded PostgreSQL could not be started: ${messageOf(error)}`))
      .finally(() => {
        isLooking = false;
      });
  }, LOOK_EVERY_MS);
  return async () => {
    clearInterval(timer);
    await looking;
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: CONNECT_TIMEOUT_MS });
    const end = (value: boolean): void => {
      socket.destroy();
      resolve(value);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
