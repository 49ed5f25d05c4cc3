/**
 * This machine as a builder host: an sshd of its own on loopback that lets garage's key in as one
 * unprivileged user, and a file that tells garage about it (shared/protocol/builder-host.ts).
 *
 * **Architecture Invariant**: the service itself never builds and never reads what garage sends; the
 * runner that garage pushes does, as the user that logs in.
 */
import { chmod, mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Home } from '../../../shared/config/home.ts';
import { machineArchitecture } from '../../../shared/config/machine.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { writeFileDurably } from '../../../shared/files/durable.ts';
import { tryLock } from '../../../shared/files/flock.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { run } from '../../../shared/process/run.ts';
import { builderHost, type BuilderHost } from '../../../shared/protocol/builder-host.ts';
import { ensureKeyPair } from '../../../shared/ssh/key-pair.ts';
import type { BuilderConfig } from '../config.ts';
import { builderAccount, makeWorkdir, type BuilderAccount } from './account.ts';
import { followAuthorizedKey } from './authorized-key.ts';
import { hostFolders, type HostFolders } from './folders.ts';
import { choosePort } from './port.ts';
import { sshdConfig } from './sshd-config.ts';
import { endStaleSshd, startSshd, type Sshd } from './sshd.ts';

/** Its name in garage's table: one for the installation, whatever the machine is called today. */
const HOST_NAME = 'local';
/** Notes the running sshd. */
const SSHD_MARK = 'sshd.json';

export interface RunningHost {
  /** What it says about itself; sshd answers there already. */
  known: BuilderHost;
  /** Resolves when garage's key is in place and garage was told: as late as garage makes its key. */
  announced: Promise<void>;
  isWell(): boolean;
  stop(): Promise<void>;
}

/**
 * Starts it. Throws what the parts throw and `builder-already-running` when another service has this home.
 */
export async function startBuilderHost(home: Home, config: BuilderConfig, log: Logger): Promise<RunningHost> {
  const account = await builderAccount(config.user);
  await mkdir(home.builder, { recursive: true, mode: 0o700 });
  const lock = await lockHome(home.builder);
  const folders = await hostFolders(home.builder, account);
  const hostFile = config.hostFile ?? path.join(home.builder, 'host.json');
  await endStaleSshd({ markFile: path.join(folders.own, SSHD_MARK), log });
  const known = await describe(home, config, account, hostFile);
  await makeWorkdir(known.workdir, account);
  const sshd = await startServer(folders, account, known, log);
  const keyFrom = config.authorizedKey ?? path.join(home.garage, 'ssh', 'id_ed25519.pub');
  const key = followAuthorizedKey(keyFrom, authorizedKeysFile(folders), log);
  const announced = key.ready.then(() => {
    return writeFileDurably(hostFile, `${JSON.stringify(known, null, 2)}\n`);
  });
  return {
    known,
    announced,
    isWell: () => sshd.isListening(),
    stop: async () => {
      key.stop();
      await sshd.stop();
      if (folders.removeKeys) await rm(folders.keys, { recursive: true, force: true });
      await lock.close();
    },
  };
}

async function lockHome(folder: string): Promise<{ close(): Promise<void> }> {
  const handle = await open(path.join(folder, 'lock'), 'a');
  if (await tryLock(handle)) return handle;
  await handle.close();
  throw new AppError('builder-already-running', `Another builder service has ${folder}`, {
    hint: 'End it, or give this one another AUTOBUILDER_HOME.',
  });
}

async function describe(
  home: Home,
  config: BuilderConfig,
  account: BuilderAccount,
  hostFile: string,
): Promise<BuilderHost> {
  const last = await readHostFile(hostFile);
  const { publicKey } = await ensureKeyPair(path.join(home.builder, 'ssh_host_ed25519_key'), 'autobuilder');
  return builderHost.parse({
    version: 1,
    name: HOST_NAME,
    address: config.listen.host,
    port: await choosePort(config.listen.host, config.listen.port, last?.port ?? null),
    username: account.name,
    hostKey: publicKey,
    workdir: config.workdir ?? defaultWorkdir(home, account),
    slots: config.slots,
    architectures: config.architectures ?? (await nativeArchitectures()),
  });
}

/** The workdir ends up in commands on the host, where only plain characters pass. */
function defaultWorkdir(home: Home, account: BuilderAccount): string {
  const workdir = account.isOther ? path.join(account.home, 'work') : path.join(home.builder, 'work');
  if (/^\/[A-Za-z0-9@%+=._/-]+$/.test(workdir)) return workdir;
  throw new AppError('builder-workdir', `Folder '${workdir}' has characters that a remote command cannot`, {
    hint: 'Give builder.workdir a plain path: letters, digits and @%+=._-',
  });
}

async function readHostFile(file: string): Promise<BuilderHost | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return builderHost.parse(JSON.parse(text));
  } catch {
    return null; // written by another version; it is written anew
  }
}

/** A 64-bit kernel with its 32-bit sibling; x32 and the like are asked for by configuration. */
const SIBLINGS: Record<string, string> = { amd64: 'i386', arm64: 'armhf' };

/** Those that run here without emulation: an amd64 kernel may run i386 too, arch-test(1) tries it. */
async function nativeArchitectures(): Promise<string[]> {
  const own = await machineArchitecture();
  const sibling = SIBLINGS[own];
  if (sibling === undefined) return [own];
  const tried = await run(['arch-test', '-n', sibling]).catch(() => null);
  return tried?.code === 0 ? [own, sibling] : [own];
}

async function startServer(
  folders: HostFolders,
  account: BuilderAccount,
  known: BuilderHost,
  log: Logger,
): Promise<Sshd> {
  // sshd as root keeps its unprivileged half in this folder and does not make it itself.
  if (account.isOther) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const configFile = path.join(folders.own, 'sshd_config');
  const text = sshdConfig({
    host: known.address,
    port: known.port,
    hostKeyFile: path.join(folders.own, 'ssh_host_ed25519_key'),
    authorizedKeysFile: authorizedKeysFile(folders),
    account,
  });
  await writeFileDurably(configFile, text);
  await chmod(configFile, 0o600);
  return startSshd({ configFile, markFile: path.join(folders.own, SSHD_MARK), log });
}

function authorizedKeysFile(folders: HostFolders): string {
  return path.join(folders.keys, 'authorized_keys');
}
