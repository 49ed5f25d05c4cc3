/**
 * Builder hosts in network namespaces: each has an address of its own, a real sshd, and a cable that a test
 * can pull. Files, users and the clock are this machine's; the work folder is the host's own. Needs root.
 *
 * Addresses are point to point (a /30 for each host) out of a private range that nothing here uses; from
 * inside, every address of this machine but loopback is reached through `gateway`.
 */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { builderAccount, type BuilderAccount } from '../../services/builder/host/account.ts';
import { run, runChecked } from '../../shared/process/run.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import { NamespaceHost, removeNamespace } from './namespace-host.ts';

export type { NamespaceHost } from './namespace-host.ts';

const PREFIX = 'autobuilder-test';
const FOLDER = 'autobuilder-hosts-';
/** Of a /24, each host takes four addresses. */
const MAX_HOSTS = 60;

export interface NamespaceHostsOptions {
  /** Public key line that may log in; `host.authorize` adds or changes it later. */
  authorizedKey?: string;
  /** Each work folder is a disk of its own of this size. */
  diskBytes?: number;
  /** Work folders use the bases that lie in the builder account's own work folder. */
  shareBases?: boolean;
  /** What logins find in their environment, as sshd's SetEnv. */
  environment?: Record<string, string>;
}

export interface NamespaceHosts {
  hosts: NamespaceHost[];
  /** This machine's address that every host reaches; serve live there. */
  gateway: string;
  /** Ends every process on every host and removes them all. */
  dispose(): Promise<void>;
}

/** Makes `count` hosts that answer. Several sets may be there at a time; what killed runs left is removed. */
export async function makeNamespaceHosts(
  count: number,
  options: NamespaceHostsOptions = {},
): Promise<NamespaceHosts> {
  if (process.getuid?.() !== 0) throw new Error('hosts in network namespaces need root');
  if (count > MAX_HOSTS) throw new Error(`at most ${String(MAX_HOSTS)} hosts`);
  await removeLeftovers();
  const account = await builderAccount(undefined);
  const folder = await mkdtemp(path.join(tmpdir(), `${FOLDER}${String(process.pid)}-`));
  await chmod(folder, 0o755);
  await mkdir('/run/sshd', { recursive: true }); // where sshd's unprivileged half lives
  const run24 = freeRange();
  const hosts: NamespaceHost[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(hosts.map((host) => host.dispose()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (let index = 0; index < count; index += 1) {
      hosts.push(await makeHost({ index, run24, account, folder, options }));
    }
    await Promise.all(hosts.map((host) => host.startSshd()));
  } catch (error) {
    await dispose();
    throw error;
  }
  return { hosts, gateway: `${run24}.1`, dispose };
}

interface Making {
  index: number;
  /** The first three numbers of the addresses. */
  run24: string;
  account: BuilderAccount;
  folder: string;
  options: NamespaceHostsOptions;
}

async function makeHost(making: Making): Promise<NamespaceHost> {
  const { index, run24, account, options } = making;
  const folder = path.join(making.folder, String(index));
  const workdir = path.join(folder, 'work');
  await mkdir(workdir, { recursive: true });
  await makeDisk(workdir, making);
  const key = await ensureKeyPair(path.join(folder, 'host-key'), 'test host');
  const keys = path.join(folder, 'authorized_keys');
  await writeFile(keys, options.authorizedKey === undefined ? '' : `restrict ${options.authorizedKey}\n`);
  const namespace = `${PREFIX}-${String(process.pid)}-${randomBytes(3).toString('hex')}-${String(index)}`;
  const host = new NamespaceHost({
    ...{ namespace, folder, workdir, account, keys },
    hostKeyFile: key.privateFile,
    hostKey: key.publicKey.split(' ').slice(0, 2).join(' '),
    name: `host${String(index + 1)}`,
    address: `${run24}.${String(index * 4 + 2)}`,
    gateway: `${run24}.${String(index * 4 + 1)}`,
    environment: options.environment ?? {},
  });
  await host.plug();
  return host;
}

async function makeDisk(workdir: string, { account, options }: Making): Promise<void> {
  if (options.diskBytes !== undefined) {
    await runChecked(['mount', '-t', 'tmpfs', '-o', `size=${String(options.diskBytes)}`, 'tmpfs', workdir]);
  }
  await chown(workdir, account.uid, account.gid);
  if (options.shareBases) {
    const bases = path.join(account.home, 'work', 'bases');
    const as = { uid: account.uid, gid: account.gid, cwd: '/' };
    await runChecked(['mkdir', '-p', bases], as);
    await symlink(bases, path.join(workdir, 'bases'));
  }
}

/** Three numbers of a private /24 that this machine has no address in. */
function freeRange(): string {
  const taken = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  for (;;) {
    const [second, third] = [64 + ((randomBytes(1)[0] ?? 0) % 128), randomBytes(1)[0] ?? 0];
    const range = `10.${String(second)}.${String(third)}`;
    if (!taken.some(({ address }) => address.startsWith(`${range}.`))) return range;
  }
}

/** Namespaces and folders of runs that were killed before they could remove them. */
async function removeLeftovers(): Promise<void> {
  const { stdout } = await run(['ip', 'netns', 'list']);
  for (const line of stdout.toString('utf8').split('\n')) {
    const [name = ''] = line.split(' ');
    if (await isLeft(name, `${PREFIX}-`)) await removeNamespace(name);
  }
  for (const name of await readdir(tmpdir())) {
    if (!(await isLeft(name, FOLDER))) continue;
    const folder = path.join(tmpdir(), name);
    for (const host of await readdir(folder))
      await run(['umount', '--lazy', path.join(folder, host, 'work')]);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a name is of a run that is over: the prefix, then its process id. */
async function isLeft(name: string, prefix: string): Promise<boolean> {
  const pid = name.startsWith(prefix) ? /^(\d+)-/.exec(name.slice(prefix.length))?.[1] : undefined;
  return pid !== undefined && (await readFile(`/proc/${pid}/comm`).catch(() => null)) === null;
}
