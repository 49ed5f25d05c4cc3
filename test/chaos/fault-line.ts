/**
 * What the fault tests share: a garage whose dispatcher is a process of its own, its own PostgreSQL, and
 * builder hosts in network namespaces. Each host has an architecture to itself, so a test knows where its
 * source builds, and faults of many hosts can run at a time.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openGarage } from '../../services/garage/context.ts';
import { databaseLayout } from '../../shared/database/embedded/layout.ts';
import { ensureEmbeddedDatabase, stopEmbeddedDatabase } from '../../shared/database/embedded/server.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { minimalEnvironment } from '../../shared/process/run.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import type { TestGarage } from '../support/garage.ts';
import { makeNamespaceHosts, type NamespaceHost, type NamespaceHostsOptions } from '../support/namespaces.ts';
import { waitFor } from '../support/wait.ts';

/** Long enough for the hiccups, short enough to outlast in a test. */
export const LEASE_S = 8;
const CHILD = path.join(import.meta.dirname, 'dispatch-child.ts');
export const FAKE_RUNNER = path.resolve(import.meta.dirname, '../integration/dispatch-fake-runner.mjs');
/** One for each host, in this order. */
const ARCHITECTURES = [
  ...['amd64', 'arm64', 'armel', 'armhf', 'i386', 'mips64el', 'ppc64el', 'riscv64', 's390x'],
  ...['alpha', 'hppa', 'ia64', 'm68k', 'powerpc', 'ppc64', 'sh4', 'sparc64', 'x32'],
];

export interface FaultHost extends NamespaceHost {
  architecture: string;
}

export interface FaultLine {
  garage: TestGarage;
  hosts: FaultHost[];
  startDispatcher(): Promise<void>;
  /** SIGKILL, as the kernel does it when memory is short. */
  killDispatcher(): Promise<void>;
  /** SIGKILL of PostgreSQL as a whole, and its start as systemd would do it. */
  killDatabase(): Promise<void>;
  dispose(): Promise<void>;
}

export interface FaultLineOptions {
  /** Absolute path of a stand-in; default: the real runner. */
  runner?: string;
  /** Key `products` of the configuration; default: one product that has every host's architecture. */
  products?: Record<string, unknown>;
  build?: Record<string, unknown>;
  hosts?: NamespaceHostsOptions;
  /** Answers requests for live; default: a key, and every product published and empty. */
  live?: Parameters<typeof createServer>[1];
}

/** Opens one with `count` hosts of one slot each and a dispatcher that runs. */
export async function openFaultLine(count: number, options: FaultLineOptions = {}): Promise<FaultLine> {
  const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-faults-'));
  await chmod(root, 0o755); // PostgreSQL runs as a user of its own
  const set = await makeNamespaceHosts(count, options.hosts);
  const live = createServer(options.live ?? emptyLive);
  live.listen(0, set.gateway);
  await once(live, 'listening');
  const { port } = live.address() as { port: number };
  const liveUrl = `http://${set.gateway}:${String(port)}`;
  await writeFile(
    path.join(root, 'autobuilder.yaml'),
    JSON.stringify(configuration(options, liveUrl, count)),
  );
  const garage = await openOwnGarage(root);
  const key = await ensureKeyPair(path.join(garage.home.garage, 'ssh', 'id_ed25519'), 'test');
  const hosts = set.hosts.map((host, index) =>
    Object.assign(host, { architecture: ARCHITECTURES[index] ?? '' }),
  );
  for (const host of hosts) {
    await host.authorize(key.publicKey);
    await addHost(garage, host);
  }
  const dispatcher = childProcess(
    options.runner === undefined ? [CHILD] : [CHILD, options.runner],
    garage.env,
  );
  await dispatcher.start();
  return {
    garage,
    hosts,
    startDispatcher: dispatcher.start,
    killDispatcher: dispatcher.kill,
    killDatabase: () => killDatabase(garage),
    dispose: async () => {
      await dispatcher.kill();
      await set.dispose();
      live.closeAllConnections();
      live.close();
      await garage.dispose();
    },
  };
}

function configuration(options: FaultLineOptions, liveUrl: string, count: number): unknown {
  const sources = [
    { uris: ['http://archive.example.org/debian'], suites: ['bookworm'], components: ['main'] },
  ];
  const bookworm = { architectures: ARCHITECTURES.slice(0, count), sources, checks: { install: 'off' } };
  return {
    products: options.products ?? { bookworm },
    garage: {
      url: 'http://garage.example.org',
      repositoryUrl: liveUrl,
      build: { leaseS: LEASE_S, ...options.build },
    },
  };
}

const emptyLive: Parameters<typeof createServer>[1] = (request, response) => {
  if (request.url === '/archive-key.asc') {
    response.end('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n');
  } else response.writeHead(request.url?.endsWith('/InRelease') === true ? 200 : 404).end();
};

async function openOwnGarage(root: string): Promise<TestGarage> {
  process.env['AUTOBUILDER_HOME'] = root;
  delete process.env['AUTOBUILDER_CONFIG'];
  delete process.env['DATABASE_URL'];
  const log = createLogger('garage');
  log.level = process.env['LOG_LEVEL'] ?? 'fatal';
  const garage = await openGarage(log);
  return {
    ...garage,
    env: minimalEnvironment({ AUTOBUILDER_HOME: root, LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'fatal' }),
    dispose: async () => {
      await garage.close();
      await stopEmbeddedDatabase(garage.home.database);
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function addHost(garage: TestGarage, host: FaultHost): Promise<void> {
  await garage.pool.query(
    `insert into hosts (name, address, port, username, host_key, workdir, slots, architectures, min_free_bytes)
     values ($1, $2, $3, $4, $5, $6, 1, $7, 0)`,
    [...[host.name, host.address, host.port, host.username, host.hostKey, host.workdir], [host.architecture]],
  );
}

interface KillableChild {
  start: () => Promise<void>;
  kill: () => Promise<void>;
}

function childProcess(argv: string[], env: Record<string, string>): KillableChild {
  let child: ChildProcess | undefined;
  return {
    start: async () => {
      const running = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'inherit'] });
      child = running;
      let said = '';
      running.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
      await waitFor('the dispatcher', () => {
        if (running.exitCode !== null) throw new Error(`it ended with ${String(running.exitCode)}: ${said}`);
        return said.includes('ready');
      });
    },
    kill: async () => {
      const running = child;
      child = undefined;
      if (!running || running.exitCode !== null) return;
      const ended = once(running, 'exit');
      running.kill('SIGKILL');
      await ended;
    },
  };
}

async function killDatabase(garage: TestGarage): Promise<void> {
  const { data } = await databaseLayout(garage.home.database);
  const [line = ''] = (await readFile(path.join(data, 'postmaster.pid'), 'utf8')).split('\n');
  const pid = Number(line);
  process.kill(pid, 'SIGKILL');
  await waitFor('PostgreSQL to be gone', async () => {
    return (await stat(`/proc/${String(pid)}`).catch(() => null)) === null;
  });
  // Its last children may still hold the shared memory for a moment.
  await waitFor('PostgreSQL to start again', () => ensureEmbeddedDatabase(garage.home.database));
}
