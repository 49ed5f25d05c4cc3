/**
 * The SSH server: accepts connections within limits and hands each to a `Connection`. The socket is accepted here and
 * given to ssh2, so that limits hold before a byte of SSH is parsed.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import ssh2, { type ServerConfig } from 'ssh2';
import type { ListenAddress } from '../../../shared/config/fields.ts';
import { Connection, type ConnectionOptions } from './connection.ts';

/** Connections that have not logged in, all together and from one address: enough for a busy office behind one. */
const MAX_WAITING = 64;
const MAX_WAITING_PER_ADDRESS = 16;
/** Time that open connections have to end when the server closes. */
const CLOSE_MS = 2000;

/** Modern algorithms that OpenSSH 7 and newer speak; no compression, which only costs memory on `.xz` files. */
const ALGORITHMS = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
  ],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} satisfies ServerConfig['algorithms'];

export interface SshServerOptions extends Omit<ConnectionOptions, 'admit'> {
  listen: ListenAddress;
  /** Text of the OpenSSH private host key. */
  hostKey: string;
}

export interface SshServer {
  /** Where it really listens. */
  address: ListenAddress;
  /** Stops accepting; existing connections go on. */
  refuseNew(): void;
  /** Ends every connection and resolves when what they left unfinished is removed. */
  close(): Promise<void>;
}

interface Peer {
  socket: Socket;
  /** Null until it has sent its SSH version. */
  connection: Connection | null;
}

export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const peers = new Peers(options);
  const ssh = new ssh2.Server({
    hostKeys: [options.hostKey],
    algorithms: ALGORITHMS,
    ident: 'Autobuilder-drop',
  });
  ssh.on('connection', (client, info) => {
    const peer = peers.find(info.ip, info.port);
    if (peer) peer.connection = new Connection(client, peer.socket, peers.optionsFor(info.ip));
    else client.end();
  });
  const tcp = createServer({ noDelay: true }, (socket) => {
    if (peers.take(socket)) ssh.injectSocket(socket);
  });
  tcp.listen(options.listen.port, options.listen.host);
  await once(tcp, 'listening');
  return {
    address: { host: options.listen.host, port: (tcp.address() as AddressInfo).port },
    refuseNew: () => void tcp.close(),
    close: async () => {
      tcp.close();
      await peers.endAll();
    },
  };
}

/** The connections there are, by peer address: that is how ssh2 tells which socket a client came by. */
class Peers {
  readonly #options: SshServerOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #cleanups = new Set<Promise<void>>();

  constructor(options: SshServerOptions) {
    this.#options = options;
  }

  find(ip: string | undefined, port: number | undefined): Peer | undefined {
    return this.#peers.get(keyOf(ip, port));
  }

  optionsFor(ip: string): ConnectionOptions {
    const { maxConnectionsPerLogin } = this.#options.limits;
    const ofLogin = (login: string): Peer[] =>
      [...this.#peers.values()].filter(({ connection }) => connection?.login === login);
    return {
      ...this.#options,
      log: this.#options.log.child({ ip }),
      admit: (login) => ofLogin(login).length < maxConnectionsPerLogin,
    };
  }

  /** Starts to look after a socket; false (and the socket is destroyed) when there are too many. */
  take(socket: Socket): boolean {
    const { log, limits } = this.#options;
    const { remoteAddress: ip, remotePort: port } = socket;
    socket.on('error', () => undefined); // its close follows
    if (ip === undefined || !this.#mayConnect(ip)) {
      log.warn({ ip }, 'connection refused, too many');
      socket.destroy();
      return false;
    }
    const peer: Peer = { socket, connection: null };
    this.#peers.set(keyOf(ip, port), peer);
    this.#options.metrics.connections.set(this.#peers.size);
    const loginTimer = setTimeout(() => {
      if (!isLoggedIn(peer)) socket.destroy();
    }, limits.loginS * 1000);
    socket.once('close', () => {
      clearTimeout(loginTimer);
      this.#forget(peer, ip, port);
    });
    return true;
  }

  /** Ends every connection; resolves when what they left unfinished is removed. */
  async endAll(): Promise<void> {
    const open = [...this.#peers.values()].filter(({ socket }) => !socket.closed);
    await Promise.all(open.map(endPeer));
    await Promise.all(this.#cleanups);
  }

  #forget(peer: Peer, ip: string, port: number | undefined): void {
    const { metrics, log } = this.#options;
    this.#peers.delete(keyOf(ip, port));
    metrics.connections.set(this.#peers.size);
    if (!isLoggedIn(peer)) {
      metrics.logins.inc({ result: 'refused' });
      log.info({ ip }, 'connection ended without a login');
    }
    const cleanup = peer.connection?.closed() ?? Promise.resolve();
    this.#cleanups.add(cleanup);
    void cleanup.finally(() => this.#cleanups.delete(cleanup));
  }

  #mayConnect(ip: string): boolean {
    const waiting = [...this.#peers.values()].filter((peer) => !isLoggedIn(peer));
    const same = waiting.filter(({ socket }) => socket.remoteAddress === ip);
    return (
      this.#peers.size < this.#options.limits.maxConnections &&
      waiting.length < MAX_WAITING &&
      same.length < MAX_WAITING_PER_ADDRESS
    );
  }
}

const isLoggedIn = (peer: Peer): boolean => typeof peer.connection?.login === 'string';

async function endPeer({ socket, connection }: Peer): Promise<void> {
  const gone = once(socket, 'close');
  if (connection) connection.end();
  else socket.destroy();
  const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
  await gone;
  clearTimeout(timer);
}

function keyOf(ip: string | undefined, port: number | undefined): string {
  return `${ip ?? ''} ${String(port)}`;
}
