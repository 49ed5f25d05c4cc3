/** One SSH connection from its first byte to its end: login, sessions, limits in time and number. */
import type { Socket } from 'node:net';
import type { AuthContext, Connection as SshClient, ServerChannel, Session } from 'ssh2';
import { messageOf } from '../../../shared/errors/app-error.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { AccountsReader } from '../accounts-snapshot.ts';
import type { Limits } from '../config.ts';
import type { DropMetrics } from '../metrics.ts';
import type { Spool } from '../spool/spool.ts';
import { judgeLogin } from './authenticate.ts';
import { createBackpressure, type Backpressure } from './backpressure.ts';
import { answerCommand, answerShell, type ExecAnswer } from './exec.ts';
import { serveSftp } from './serve-sftp.ts';

/** Keys one connection may offer: people carry some in their agent, and each is asked about before it signs. */
const MAX_LOGIN_REQUESTS = 24;
/** Channels opened in one connection's life: `scp` through a shared connection opens one for each call. */
const MAX_SESSIONS = 200;
/** Whole life of a connection; 4 GiB take less than this at 100 KB/s. */
const MAX_LIFE_MS = 12 * 3600 * 1000;
/** Time between asking a client to go and cutting it off. */
const GOODBYE_MS = 1000;

export interface ConnectionOptions {
  accounts: AccountsReader;
  spool: Spool;
  limits: Limits;
  metrics: DropMetrics;
  log: Logger;
  /** Asked once when a login is good; false refuses it (too many connections of this login). */
  admit: (login: string) => boolean;
}

/** Takes over a connection that has begun to speak SSH. */
export class Connection {
  /** Null until logged in. */
  login: string | null = null;
  readonly #client: SshClient;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #backpressure: Backpressure;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #idle: NodeJS.Timeout | undefined;
  #loginRequests = 0;
  #sessions = 0;
  #log: Logger;

  constructor(client: SshClient, socket: Socket, options: ConnectionOptions) {
    this.#client = client;
    this.#socket = socket;
    this.#options = options;
    this.#log = options.log;
    this.#backpressure = createBackpressure(socket);
    client.on('error', (error) => this.#log.debug({ reason: messageOf(error) }, 'connection error'));
    client.on('authentication', (context) => void this.#authenticate(context));
    client.on('ready', () => this.#ready());
    // No listeners for forwarding of any kind: ssh2 refuses what nobody listens for.
    client.on('session', (accept, reject) => this.#session(accept, reject));
  }

  /** Ends it; whatever is not closed by then is given up. */
  end(): void {
    this.#client.end();
    this.#timers.push(setTimeout(() => this.#socket.destroy(), GOODBYE_MS));
  }

  /** To be called when the socket has closed: removes what was not finished. */
  async closed(): Promise<void> {
    for (const timer of [...this.#timers, this.#idle]) clearTimeout(timer);
    const ended = await Promise.allSettled(this.#closers.map((close) => close()));
    for (const one of ended) {
      if (one.status === 'rejected') this.#log.error({ err: one.reason as unknown }, 'clean-up failed');
    }
  }

  async #authenticate(context: AuthContext): Promise<void> {
    try {
      const verdict = await judgeLogin(context, this.#options.accounts);
      if (verdict === 'asked') return this.#countRequest(() => context.accept());
      if (verdict === 'accepted' && this.#options.admit(context.username)) {
        this.login = context.username;
        this.#log = this.#log.child({ login: context.username });
        context.accept();
        return;
      }
      // "none" is how clients ask which methods there are.
      if (context.method === 'none') return context.reject(['publickey']);
      if (verdict === 'accepted') this.#log.warn({ login: context.username }, 'too many connections');
      this.#countRequest(() => context.reject(['publickey']));
    } catch (error) {
      this.#log.error({ err: error }, 'login failed on our side');
      context.reject(['publickey']);
    }
  }

  #countRequest(answer: () => void): void {
    this.#loginRequests += 1;
    if (this.#loginRequests > MAX_LOGIN_REQUESTS) return this.end();
    answer();
  }

  #ready(): void {
    this.#options.metrics.logins.inc({ result: 'accepted' });
    this.#log.info('logged in');
    const { idleS } = this.#options.limits;
    this.#idle = setTimeout(() => {
      this.#log.info('idle for too long');
      this.end();
    }, idleS * 1000);
    this.#timers.push(setTimeout(() => this.end(), MAX_LIFE_MS));
  }

  #session(accept: () => Session, reject: () => void): void {
    this.#sessions += 1;
    if (this.#sessions > MAX_SESSIONS || this.login === null) return reject();
    const login = this.login;
    const session = accept();
    session.on('sftp', (acceptSftp) => {
      const { accounts, spool } = this.#options;
      const close = serveSftp(acceptSftp(), {
        login,
        accounts,
        spool,
        log: this.#log,
        backpressure: this.#backpressure,
        onActivity: () => void this.#idle?.refresh(),
        disconnect: () => this.end(),
      });
      this.#closers.push(close);
    });
    session.on('exec', (acceptExec, _reject, { command }) => {
      this.#log.info({ command: command.slice(0, 200) }, 'command asked for');
      // Accepted at once: a client that has no input ends the session before an answer that waits.
      const channel = acceptExec();
      void this.#products().then((products) => reply(channel, answerCommand(command, products)));
    });
    session.on('shell', (acceptShell) => reply(acceptShell(), answerShell(login)));
  }

  async #products(): Promise<readonly string[]> {
    return (await this.#options.accounts.current())?.products ?? [];
  }
}

/** Writes the answer and ends the channel. */
function reply(channel: ServerChannel | undefined, answer: ExecAnswer): void {
  if (!channel) return; // a second command in one session; ssh2 gives none
  channel.on('error', () => undefined);
  channel.resume(); // whatever it sends is thrown away, and its end seen
  if (answer.text !== '') channel.stderr.write(`${answer.text}\r\n`);
  channel.exit(answer.code);
  channel.end();
}
