/** An SSH connection to a host whose key is known beforehand, with one key and nothing else. */
import ssh2, { type Client, type ClientChannel, type SFTPWrapper } from 'ssh2';
import { AppError, messageOf } from '../errors/app-error.ts';
import { commandLine } from './command-line.ts';
import type { RemoteSession } from './remote-files.ts';

/** TCP, key exchange and login together; a loaded host answers within seconds. */
const READY_TIMEOUT_MS = 15_000;
/** A host that vanished without a word is noticed after the product of the two. */
const KEEPALIVE_MS = 5_000;
const MAX_KEEPALIVES_MISSED = 4;
/** Of a command's stderr, which is for people. */
const MAX_STDERR_BYTES = 64 * 1024;

export interface SshTarget {
  address: string;
  port: number;
  username: string;
  /** OpenSSH private key, as text. */
  privateKey: string;
  /** OpenSSH public key line of the host; any other key ends the connection. */
  hostKey: string;
}

export interface ExecOptions {
  /** Called with each chunk in order; the next is not read before it is through. */
  onStdout?: (chunk: Buffer) => Promise<void> | void;
  /** Ends the command's channel; `exec` then throws the signal's reason. */
  signal?: AbortSignal;
}

export interface ExecResult {
  code: number;
  /** The first 64 KiB. */
  stderr: string;
}

export interface SshConnection {
  /** True once it is closed, by whomever. */
  isClosed(): boolean;
  /** Aborted when it closes. */
  closed: AbortSignal;
  /**
   * Runs one command of plain tokens (see commandLine). Throws `ssh-lost` when the connection breaks before
   * its exit status is known, or when a signal ended it.
   */
  exec(argv: readonly [string, ...string[]], options?: ExecOptions): Promise<ExecResult>;
  /** The SFTP session, opened once. */
  files(): Promise<RemoteSession>;
  close(): void;
}

/** Throws `ssh-unreachable` (no connection or no login), `ssh-host-key-changed`. */
export async function connectSsh(target: SshTarget): Promise<SshConnection> {
  const [keyType = '', keyData = ''] = target.hostKey.split(' ');
  const client = new ssh2.Client();
  let strangeKey = false;
  // Requests are small and each waits for its answer: without this each costs 40 ms.
  client.once('connect', () => client.setNoDelay(true));
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    client.once('error', (error) => reject(unreachable(target, error, strangeKey)));
    client.once('close', () => reject(unreachable(target, new Error('connection closed'), strangeKey)));
    client.connect({
      host: target.address,
      port: target.port,
      username: target.username,
      privateKey: target.privateKey,
      authHandler: ['publickey'],
      algorithms: { serverHostKey: [keyType as never] },
      hostVerifier: (key: Buffer) => {
        strangeKey = key.toString('base64') !== keyData;
        return !strangeKey;
      },
      readyTimeout: READY_TIMEOUT_MS,
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: MAX_KEEPALIVES_MISSED,
    });
  }).catch((error: unknown) => {
    client.on('error', () => undefined);
    client.destroy();
    throw error;
  });
  return new Connection(client);
}

function unreachable(target: SshTarget, error: Error, strangeKey: boolean): AppError {
  const where = `${target.username}@${target.address}:${String(target.port)}`;
  if (strangeKey) {
    return new AppError('ssh-host-key-changed', `${where} shows another host key than the one known`, {
      hint: 'If the host was made anew, give it its new key; otherwise somebody is in between.',
    });
  }
  return new AppError('ssh-unreachable', `No SSH connection to ${where}: ${error.message}`, { cause: error });
}

class Connection implements SshConnection {
  private readonly client: Client;
  private readonly ending = new AbortController();
  private session: Promise<SFTPWrapper> | undefined;

  constructor(client: Client) {
    this.client = client;
    client.on('error', () => undefined); // 'close' follows
    client.once('close', () => this.ending.abort(lost('the connection closed')));
  }

  get closed(): AbortSignal {
    return this.ending.signal;
  }

  isClosed(): boolean {
    return this.ending.signal.aborted;
  }

  async exec(argv: readonly [string, ...string[]], options: ExecOptions = {}): Promise<ExecResult> {
    const line = commandLine(argv);
    options.signal?.throwIfAborted();
    const { channel, ended } = await this.start(line);
    const stderr = collect(channel.stderr);
    const onAbort = (): void => {
      channel.close();
      channel.destroy();
    };
    options.signal?.addEventListener('abort', onAbort, { once: true });
    let code: number | string;
    try {
      // Not destroyed at the end of the output: the status comes later, and not to a closed channel.
      for await (const chunk of channel.iterator({ destroyOnReturn: false })) {
        await options.onStdout?.(chunk as Buffer);
      }
      code = await ended;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof AppError) throw error;
      throw this.isClosed() ? lost('the connection closed') : error;
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
      channel.close();
    }
    options.signal?.throwIfAborted();
    if (typeof code === 'string') throw lost(`'${argv.slice(0, 3).join(' ')}' ${code}`);
    return { code, stderr: stderr() };
  }

  /**
   * Listens for the end before anything else runs: that of a quick command comes in one piece with the answer
   * that it was started.
   */
  private start(line: string): Promise<{ channel: ClientChannel; ended: Promise<number | string> }> {
    return this.open((done) => {
      this.client.exec(line, (error, channel) => {
        done(error, error ? (undefined as never) : { channel, ended: followExit(channel) });
      });
    });
  }

  async files(): Promise<RemoteSession> {
    this.session ??= this.open<SFTPWrapper>((done) => this.client.sftp(done));
    return { sftp: await this.session, closed: this.closed };
  }

  close(): void {
    this.client.end();
    // `end` waits for the other side to agree; a dead one never does.
    this.client.destroy();
  }

  private async open<T>(request: (done: (error: Error | undefined, value: T) => void) => void): Promise<T> {
    if (this.isClosed()) throw lost('the connection is closed');
    return new Promise<T>((resolve, reject) => {
      const onClose = (): void => reject(lost('the connection closed'));
      this.ending.signal.addEventListener('abort', onClose, { once: true });
      try {
        request((error, value) => {
          this.ending.signal.removeEventListener('abort', onClose);
          if (error) reject(this.isClosed() ? lost(error.message) : error);
          else resolve(value);
        });
      } catch (error) {
        reject(lost(messageOf(error))); // ssh2 throws when the socket is gone already
      }
    });
  }
}

function lost(message: string): AppError {
  return new AppError('ssh-lost', `Lost the SSH connection: ${message}`);
}

/** The exit code; else how the command ended: by a signal, or the channel was closed. */
function followExit(channel: ClientChannel): Promise<number | string> {
  return new Promise((resolve) => {
    channel.once('exit', (code: number | null, signal?: string) => {
      resolve(code ?? `was ended by signal ${signal ?? 'unknown'}`);
    });
    channel.once('close', () => resolve('ended without an exit status'));
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < MAX_STDERR_BYTES) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8').slice(0, MAX_STDERR_BYTES);
}
