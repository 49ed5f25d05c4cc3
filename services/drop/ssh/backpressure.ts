import type { Socket } from 'node:net';

/** Bytes of a connection on their way to disk; four times the window that SSH opens for one channel. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024;
/** Requests of a connection under way; OpenSSH's clients keep 64 outstanding for each file. */
const MAX_PENDING_REQUESTS = 256;
/** Answers that the client has not taken from its socket yet. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

/** Counts what a connection has under way. */
export interface Backpressure {
  /** Starts a request that holds `bytes`; call the result once when it has ended. */
  begin(bytes: number): () => void;
}

/**
 * Stops reading from the socket while too much is under way. ssh2 opens an SFTP channel's window again
 * as soon as it has parsed a request, so a client that does not wait for answers, or does not read them,
 * would otherwise fill the memory.
 */
export function createBackpressure(socket: Socket): Backpressure {
  let bytesPending = 0;
  let requestsPending = 0;
  let paused = false;
  const beyond = (share: number): boolean =>
    bytesPending > MAX_PENDING_BYTES * share ||
    requestsPending > MAX_PENDING_REQUESTS * share ||
    socket.writableLength > MAX_UNSENT_BYTES * share;
  const adjust = (): void => {
    if (!paused && beyond(1)) {
      paused = true;
      socket.pause();
    } else if (paused && !beyond(0.5)) {
      paused = false;
      socket.resume();
    }
  };
  socket.on('drain', adjust);
  return {
    begin(bytes) {
      bytesPending += bytes;
      requestsPending += 1;
      adjust();
      return () => {
        bytesPending -= bytes;
        requestsPending -= 1;
        adjust();
      };
    },
  };
}
