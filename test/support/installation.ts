/**
 * A whole Autobuilder for a test or a bench: all services as real processes on free ports, in a home of
 * its own, with its own embedded PostgreSQL; bases are shared with every other installation on the machine.
 */
import { chmod, mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { homeFolders, type Home } from '../../shared/config/home.ts';
import { machineCodename } from '../../shared/config/machine.ts';
import { createPool, databaseUrl, type Pool } from '../../shared/database/pool.ts';
import { stopEmbeddedDatabase } from '../../shared/database/embedded/server.ts';
import { generateArchiveKey } from '../../shared/openpgp/keys.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import { run, runChecked, type RunResult } from '../../shared/process/run.ts';
import { startAll, type Supervisor } from '../../deploy/embedded/supervisor.ts';

export const CHECKOUT = path.resolve(import.meta.dirname, '../..');

export interface Uploader {
  login: string;
  email: string;
  sshKey: string;
  openpgpPrivate: string;
  openpgpPublicFile: string;
  password: string;
}

export interface Installation {
  home: Home;
  product: string;
  ports: { web: number; ssh: number; live: number };
  webUrl: string;
  liveUrl: string;
  /** All services; null while stopped. */
  supervisor: Supervisor | null;
  /** Reads any schema; unqualified names mean garage. */
  pool: Pool;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** `bin/autobuilder` with this installation's home; throws when it fails. */
  cli(...args: string[]): Promise<string>;
  /** Any program of the checkout's `bin`, whatever its exit code. */
  bin(name: string, ...args: string[]): Promise<RunResult>;
  /** kill -9 of one service; the supervisor starts it again. */
  kill(service: string): Promise<void>;
  addAccount(login: string, options?: { admin?: boolean }): Promise<Uploader>;
  dispose(): Promise<void>;
}

export interface InstallationOptions {
  /** Merged over the generated configuration, section by section. */
  config?: Record<string, Record<string, unknown>>;
}

/** Makes the home and the configuration; nothing runs until `start`. */
export async function makeInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-'));
  await chmod(root, 0o755);
  const home = homeFolders(path.join(root, 'home'));
  const product = await machineCodename();
  const [web, ssh, live, builder, dropHttp, repositoryHttp] = await freePorts(6);
  const ports = { web, ssh, live } as Installation['ports'];
  const webUrl = `http://127.0.0.1:${String(web)}`;
  const liveUrl = `http://127.0.0.1:${String(live)}`;
  const generated: Record<string, Record<string, unknown>> = {
    garage: {
      listen: at(web),
      url: webUrl,
      repositoryUrl: liveUrl,
      upload: { host: '127.0.0.1', port: ssh },
      missingFileGraceS: 1,
      loneDscGraceS: 2,
    },
    drop: { listen: at(ssh), http: at(dropHttp) },
    live: { listen: at(live) },
    repository: { listen: at(repositoryHttp) },
    builder: { listen: at(builder) },
  };
  for (const [section, values] of Object.entries(options.config ?? {})) {
    generated[section] = { ...generated[section], ...values };
  }
  await mkdir(home.root, { recursive: true });
  await writeFile(path.join(home.root, 'autobuilder.yaml'), stringify(generated));
  const environment = { AUTOBUILDER_HOME: home.root };
  Object.assign(process.env, environment);
  delete process.env['DATABASE_URL'];
  delete process.env['AUTOBUILDER_CONFIG'];
  const pool = createPool(await databaseUrl({}, home), 'garage', () => undefined);
  const log: string[] = [];

  const installation: Installation = {
    home,
    product,
    ports,
    webUrl,
    liveUrl,
    pool,
    supervisor: null,
    async start() {
      const supervisor = await startAll((service, line) => log.push(`${service}: ${line}`));
      installation.supervisor = supervisor;
      await supervisor.ready.catch((error: unknown) => {
        throw new Error(`services did not start:\n${log.slice(-30).join('\n')}`, { cause: error });
      });
    },
    async stop() {
      await installation.supervisor?.stopServices();
      installation.supervisor = null;
    },
    async bin(name, ...args) {
      return run([path.join(CHECKOUT, 'bin', name), ...args], {
        env: { ...minimal(), ...environment },
        cwd: root,
        timeoutMs: 180_000,
      });
    },
    async cli(...args) {
      const result = await installation.bin('autobuilder', ...args);
      if (result.code !== 0)
        throw new Error(`autobuilder ${args.join(' ')}: ${result.stderr.toString('utf8')}`);
      return result.stdout.toString('utf8');
    },
    async kill(service) {
      const pid = installation.supervisor?.children.find((child) => child.name === service)?.pid();
      if (pid === undefined) throw new Error(`${service} does not run`);
      process.kill(pid, 'SIGKILL');
    },
    async addAccount(login, account = {}) {
      const folder = path.join(root, 'people', login);
      await mkdir(folder, { recursive: true });
      const email = `${login}@example.org`;
      const pair = await ensureKeyPair(path.join(folder, 'id_ed25519'), login);
      const key = await generateArchiveKey({ name: login, email, now: new Date(Date.now() - 60_000) });
      const openpgpPublicFile = path.join(folder, 'key.asc');
      const password = `pass-${login}-0123456789`;
      await writeFile(openpgpPublicFile, key.armoredPublic);
      await writeFile(path.join(folder, 'password'), password, { mode: 0o600 });
      const keys = ['--ssh-key', pair.publicFile, '--openpgp-key', openpgpPublicFile];
      const secret = ['--password-file', path.join(folder, 'password')];
      await installation.cli(
        'account',
        'add',
        login,
        '--email',
        email,
        ...keys,
        ...secret,
        ...(account.admin ? ['--admin'] : []),
      );
      return {
        login,
        email,
        sshKey: pair.privateFile,
        openpgpPrivate: key.armoredPrivate,
        openpgpPublicFile,
        password,
      };
    },
    async dispose() {
      await installation.stop();
      await pool.end();
      if (process.env['AUTOBUILDER_KEEP']) return;
      await stopEmbeddedDatabase(home.database);
      await rm(root, { recursive: true, force: true });
    },
  };
  return installation;
}

function at(port: number | undefined): string {
  return `127.0.0.1:${String(port)}`;
}

function minimal(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: process.env['HOME'] ?? '/', LANG: 'C.UTF-8' };
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Uploads with Debian's dput, as a person would; the stanza is the one that `howto upload` prints. */
export async function dput(
  installation: Installation,
  uploader: Uploader,
  changes: string,
): Promise<RunResult> {
  const folder = path.dirname(uploader.sshKey);
  const stanza = await installation.cli(
    'howto',
    'upload',
    '--login',
    uploader.login,
    '--product',
    installation.product,
    '--dput',
  );
  const known = path.join(folder, 'known_hosts');
  const hostKey = await readFile(path.join(installation.home.drop, 'ssh_host_ed25519_key.pub'), 'utf8');
  await writeFile(known, `[127.0.0.1]:${String(installation.ports.ssh)} ${hostKey}`);
  await runChecked(['chmod', '600', uploader.sshKey]);
  const config = path.join(folder, 'dput.cf');
  const ssh = ['IdentitiesOnly=yes', `IdentityFile=${uploader.sshKey}`, `UserKnownHostsFile=${known}`];
  await writeFile(config, `${stanza.trimEnd()}\n${ssh.map((option) => `    ${option}\n`).join('')}`);
  return run(['dput', '-u', '-c', config, `autobuilder-${installation.product}`, changes], {
    cwd: path.dirname(changes),
    env: { ...minimal(), HOME: folder },
    timeoutMs: 60_000,
  });
}
