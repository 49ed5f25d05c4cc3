/**
 * What ssh2's server-side SFTP object can do on the wire but has no method for. The one place that
 * reaches into ssh2 (pinned in package.json); the integration test with real scp(1) holds it.
 */
import type { SFTPWrapper } from 'ssh2';

/** SSH_EXTENDED_DATA_STDERR of RFC 4254 5.2. */
const STDERR = 1;

interface Insides {
  outgoing: { id: number; state: string; window: number };
  _protocol: {
    exitStatus(channel: number, status: number): void;
    channelExtData(channel: number, data: Buffer, type: number): void;
  };
  _buffer: unknown[];
}

const insides = (sftp: SFTPWrapper): Insides => sftp as unknown as Insides;

/**
 * A line on the uploader's terminal. OpenSSH's clients show only a generic word for an SFTP status, so
 * this is the only way to say what is wrong. Dropped when the client has no window open for it.
 */
export function tellUploader(sftp: SFTPWrapper, text: string): void {
  const { outgoing, _protocol } = insides(sftp);
  const line = Buffer.from(`${text}\r\n`);
  if (outgoing.state !== 'open' || outgoing.window < line.length) return;
  outgoing.window -= line.length;
  _protocol.channelExtData(outgoing.id, line, STDERR);
}

/** Ends the subsystem as a program would that ended well; without this scp(1) reports a failure. */
export function endWell(sftp: SFTPWrapper): void {
  const { outgoing, _protocol } = insides(sftp);
  if (outgoing.state === 'open' || outgoing.state === 'eof') _protocol.exitStatus(outgoing.id, 0);
  sftp.end();
}

/** Replies that wait for the client to open its window; they lie in memory. */
export function repliesWaiting(sftp: SFTPWrapper): number {
  return insides(sftp)._buffer.length;
}
