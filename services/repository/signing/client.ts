/**
 * The repository's side: keeps one connection to a signer, its own child or one that runs by itself, and
 * makes a new one when it is lost, so many times a minute. A request that was under way then is asked once
 * more: signing again gives another signature of the same, and a change that was made already says so.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { Connection, errorOf } from './connection.ts';
import { readLines, writeLine } from './lines.ts';
import { OPERATIONS, type OperationName } from './protocol.ts';
import { RateLimit } from './rate.ts';
import { Signer, type Ask, type SignerOptions } from './signer.ts';
import { spawnSigner } from './spawn.ts';
import type { VaultSettings } from './vault.ts';

/** Node starts in a tenth of a second; this is for a machine under full load. */
const START_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Starts in a minute: a signer that dies again and again is for a person to look at. */
const MAX_STARTS = 5;
const MINUTE_MS = 60_000;

const ready = z.union([
  z.strictObject({ ready: z.literal(true) }),
  z.strictObject({
    ready: z.literal(false),
    error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }),
  }),
]);

export interface ClientOptions {
  /** A child of our own with these settings, or somebody's socket. */
  signer: { settings: VaultSettings } | { socket: string };
  /** Who asks, for the audit log. */
  requester: string;
  log: Logger;
  /** Told of each start after the first. */
  onRestart?: () => void;
  onSigned?: SignerOptions['onSigned'];
}

/** A signer behind a process border; started when it is first asked. */
export function createSignerClient(options: ClientOptions): Signer {
  const client = new SignerClient(options);
  return new Signer({ ask: client.ask, close: () => client.close(), onSigned: options.onSigned });
}

class SignerClient {
  readonly #options: ClientOptions;
  readonly #starts = new RateLimit(MAX_STARTS, MINUTE_MS);
  #connection: Promise<Connection> | null = null;
  #hasStarted = false;
  #isClosed = false;
  #lastFailure = '';

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  readonly ask: Ask = async (operation, value) => {
    const found = await this.#askOnce(operation, value).catch((error: unknown) => {
      const isLost = error instanceof AppError && error.code === 'signer-lost';
      if (isLost && !this.#isClosed) return this.#askOnce(operation, value);
      throw error;
    });
    return OPERATIONS[operation].gives.parse(found) as never;
  };

  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = await this.#connection?.catch(() => null);
    connection?.close();
  }

  async #askOnce(operation: OperationName, value: unknown): Promise<unknown> {
    if (this.#isClosed) throw new AppError('signer-unavailable', 'The repository ends');
    const connection = await this.#connected();
    return connection.ask(operation, value);
  }

  /** Whoever finds it lost first makes a new one; the others wait for the same. */
  async #connected(): Promise<Connection> {
    const current = this.#connection;
    if (current) {
      const connection = await current.catch(() => null);
      if (connection?.isLost === false) return connection;
      if (this.#connection === current) this.#connection = null;
    }
    this.#connection ??= this.#start();
    return this.#connection;
  }

  async #start(): Promise<Connection> {
    const { signer, log, requester, onRestart } = this.#options;
    // Another's socket is only dialled, which costs nothing.
    if ('settings' in signer && !this.#starts.take(Date.now())) {
      const why = this.#lastFailure === '' ? '' : `: ${this.#lastFailure}`;
      throw new AppError('signer-unavailable', `The signing process ended too often within a minute${why}`, {
        hint: 'It is tried again after a minute; the log says more.',
      });
    }
    if (this.#hasStarted) onRestart?.();
    this.#hasStarted = true;
    try {
      const stream =
        'settings' in signer ? await startChild(signer.settings, log) : await dial(signer.socket);
      return new Connection(stream, requester);
    } catch (error) {
      this.#lastFailure = messageOf(error);
      throw error;
    }
  }
}

/** Starts the process and waits until it has opened its keys. Throws what that throws, or `signer-unavailable`. */
async function startChild(settings: VaultSettings, log: Logger): Promise<Duplex> {
  const { child, socket } = await spawnSigner(settings, log);
  socket.on('error', () => undefined); // 'close' follows
  writeLine(socket, settings);
  const said = await new Promise<unknown>((resolve, reject) => {
    const fail = (why: string): void =>
      reject(
        new AppError('signer-unavailable', `The signing process ${why}`, { hint: 'Its log says more.' }),
      );
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail('did not start in time');
    }, START_TIMEOUT_MS);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    socket.once('close', () => {
      clearTimeout(timer);
      fail('ended while it started');
    });
    readLines(socket, (value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
  socket.removeAllListeners('data');
  const parsed = ready.parse(said);
  if (parsed.ready) return socket;
  socket.destroy();
  throw errorOf(parsed.error);
}

/** Connects to a signer that runs by itself. Throws `signer-unavailable`. */
async function dial(file: string): Promise<Duplex> {
  const socket = connect(file);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
    return socket;
  } catch (cause) {
    socket.destroy();
    throw new AppError('signer-unavailable', `No signer answers at ${file}: ${messageOf(cause)}`, {
      hint: 'Start it, or let this user into its group; or remove repository.signerSocket to start one here.',
      cause,
    });
  }
}
