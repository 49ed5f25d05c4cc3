/**
 * The signing process: the only one that ever has an archive key in the clear. It has no database, no
 * network and nothing of the environment but what it needs.
 *
 * As a child of the repository (`main.ts`) it takes its settings as the first line on file descriptor 3 and
 * ends with it. By itself (`main.ts --listen SOCKET`) it reads the repository's section of the configuration and
 * listens on a unix socket that only its user, or its folder's group, may use.
 */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, Socket, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import { runService } from '../../../shared/process/service.ts';
import { keySettings, makeFolders, vaultSettings } from './archive-key.ts';
import { readLines, writeLine } from './lines.ts';
import { serveConnection } from './serve.ts';
import { Signing } from './signing.ts';
import { KeyVault, type VaultSettings } from './vault.ts';

/** Connections at once: the service, and commands that people run beside it. */
const MAX_CONNECTIONS = 16;
/** Leaves 0660: its folder says whose group that is. */
const SOCKET_UMASK = 0o117;

const log = createLogger('signer');

/** Over the inherited socket: settings, `ready` or the reason why not, then requests. */
function serveParent(): void {
  const parent = new Socket({ fd: 3 });
  parent.on('close', () => process.exit(0));
  let started = false;
  readLines(parent, (value) => {
    if (started) return;
    started = true;
    parent.removeAllListeners('data');
    void begin(parent, vaultSettings.parse(value));
  });
}

async function begin(parent: Duplex, settings: VaultSettings): Promise<void> {
  try {
    const signing = new Signing(await KeyVault.open(settings));
    serveConnection(parent, signing, log);
    writeLine(parent, { ready: true });
  } catch (error) {
    const known = error instanceof AppError ? error : null;
    const { code = 'signer-failed', hint } = known ?? {};
    if (!known) log.error({ err: error }, 'the signer did not start');
    writeLine(parent, { ready: false, error: { code, message: messageOf(error), hint } });
    parent.end();
  }
}

async function serveSocket(file: string): Promise<void> {
  const { loadConfig } = await import('../../../shared/config/load.ts');
  const { repositorySection } = await import('../config.ts');
  await runService('signer', async (serviceLog) => {
    const { home, sections, ...loaded } = await loadConfig({ repository: repositorySection });
    const common = await loaded.common();
    const settings = keySettings(home, common.name, sections.repository);
    await makeFolders(settings);
    const vault = await KeyVault.open(settings);
    const signing = new Signing(vault);
    const open = new Set<Socket>();
    const server = createServer((connection) => {
      open.add(connection.once('close', () => open.delete(connection)));
      serveConnection(connection, signing, serviceLog);
    });
    server.maxConnections = MAX_CONNECTIONS;
    await listenAt(server, file);
    return {
      ready: { socket: file, keys: vault.states.keys.length },
      close: async () => {
        server.close();
        for (const connection of open) connection.destroy();
      },
    };
  });
}

async function listenAt(server: Server, file: string): Promise<void> {
  await rm(file, { force: true }); // what a killed one left behind
  const listening = once(server, 'listening');
  // The socket has its mode from the first moment; binding it is done before listen() returns.
  const before = process.umask(SOCKET_UMASK);
  server.listen(file);
  process.umask(before);
  await listening;
}

const [option, file] = process.argv.slice(2);
if (option === undefined) serveParent();
else if (option === '--listen' && file !== undefined) await serveSocket(file);
else {
  log.error('use: main.ts --listen SOCKET');
  process.exitCode = 2;
}
