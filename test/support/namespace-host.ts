/** One builder host in a network namespace; test/support/namespaces.ts makes them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import type { BuilderAccount } from '../../services/builder/host/account.ts';
import { sshdConfig } from '../../services/builder/host/sshd-config.ts';
import { minimalEnvironment, run, runChecked } from '../../shared/process/run.ts';
import { waitFor } from './wait.ts';

const SSHD = '/usr/sbin/sshd';
const PORT = 22;
/** Inside its namespace each host's own end of the cable has this name. */
const INSIDE = 'uplink';

export interface NamespaceHostFacts {
  name: string;
  namespace: string;
  address: string;
  /** This machine's end of the cable. */
  gateway: string;
  /** `ssh-ed25519 AAAA...` */
  hostKey: string;
  hostKeyFile: string;
  folder: string;
  /** Absolute; the builder account's own. */
  workdir: string;
  account: BuilderAccount;
  keys: string;
  environment: Record<string, string>;
}

export class NamespaceHost {
  readonly name: string;
  readonly address: string;
  readonly port = PORT;
  readonly username: string;
  readonly hostKey: string;
  readonly workdir: string;
  readonly gateway: string;
  readonly namespace: string;
  private readonly facts: NamespaceHostFacts;
  private sshd: ChildProcess | undefined;

  constructor(facts: NamespaceHostFacts) {
    this.facts = facts;
    ({
      name: this.name,
      address: this.address,
      hostKey: this.hostKey,
      workdir: this.workdir,
      gateway: this.gateway,
      namespace: this.namespace,
    } = facts);
    this.username = facts.account.name;
  }

  /** Makes the namespace and lays its cable. */
  async plug(): Promise<void> {
    const { namespace, address, gateway } = this.facts;
    // Interfaces have 15 characters; the namespace's own random part tells them apart.
    const [, , , unique = '', index = ''] = namespace.split('-');
    const outside = `ab${unique}n${index}`;
    await runChecked(['ip', 'netns', 'add', namespace]);
    await runChecked([
      'ip',
      'link',
      'add',
      outside,
      'type',
      'veth',
      'peer',
      'name',
      INSIDE,
      'netns',
      namespace,
    ]);
    await runChecked(['ip', 'addr', 'add', `${gateway}/30`, 'dev', outside]);
    await runChecked(['ip', 'link', 'set', outside, 'up']);
    await this.ip('addr', 'add', `${address}/30`, 'dev', INSIDE);
    await this.ip('link', 'set', 'lo', 'up');
    await this.restore();
  }

  /** Pulls the cable: packets are lost both ways, and nobody is told. */
  async cut(): Promise<void> {
    await this.ip('link', 'set', INSIDE, 'down');
  }

  /**
   * Puts the cable back, and returns when packets go through it again, which the kernel lets them do up to
   * some seconds later. Connections that lived through it go on.
   */
  async restore(): Promise<void> {
    await this.ip('link', 'set', INSIDE, 'up');
    await this.ip('route', 'replace', 'default', 'via', this.gateway);
    await waitFor(`the cable of ${this.name}`, async () => (await this.answer()) !== 'none');
  }

  /** Who may log in with a key from now on: this public key line only. */
  async authorize(publicKey: string): Promise<void> {
    await writeFile(this.facts.keys, `restrict ${publicKey}\n`);
  }

  /** Starts sshd and waits until it answers; the cable must be in. */
  async startSshd(): Promise<void> {
    const { facts } = this;
    const config = path.join(facts.folder, 'sshd_config');
    const settings = { host: facts.address, port: PORT, hostKeyFile: facts.hostKeyFile };
    const environment = Object.entries(facts.environment).map(([name, value]) => `${name}="${value}"`);
    const lines = environment.length > 0 ? `SetEnv ${environment.join(' ')}\n` : '';
    const text = sshdConfig({ ...settings, authorizedKeysFile: facts.keys, account: facts.account });
    // Work folders lie below /tmp, which StrictModes does not like.
    await writeFile(config, `${lines}${text.replace('StrictModes yes', 'StrictModes no')}`);
    const argv = [`--net=/run/netns/${facts.namespace}`, SSHD, '-D', '-e', '-f', config];
    const child = spawn('nsenter', argv, { stdio: 'ignore', cwd: '/', env: minimalEnvironment() });
    this.sshd = child;
    await waitFor(`sshd of ${this.name}`, () => {
      if (child.exitCode !== null) throw new Error(`sshd ended with ${String(child.exitCode)}`);
      return this.answer().then((answer) => answer === 'connected');
    });
  }

  /** Kills sshd and every connection it serves, as a crash would. What runs detached goes on. */
  async killSshd(): Promise<void> {
    for (const pid of await this.processes()) {
      if ((await nameOf(pid)).startsWith('sshd')) kill(pid);
    }
    await this.ended();
  }

  /** Every process of the host dies at once, as in a power cut; what was written stays. */
  async crash(): Promise<void> {
    for (const pid of await this.processes()) kill(pid);
    await this.ended();
  }

  /** Ids of the processes that run on the host now. */
  async processes(): Promise<number[]> {
    const { stdout } = await run(['ip', 'netns', 'pids', this.namespace]);
    return stdout.toString('utf8').split('\n').filter(Boolean).map(Number);
  }

  /** Ends what runs there and removes the host; safe to call again. */
  async dispose(): Promise<void> {
    await removeNamespace(this.namespace);
    await this.ended();
    await run(['umount', '--lazy', this.workdir]); // where it was a disk of its own
  }

  private async ended(): Promise<void> {
    const { sshd } = this;
    if (sshd && sshd.exitCode === null && sshd.signalCode === null) await once(sshd, 'exit');
  }

  private ip(...args: string[]): Promise<unknown> {
    return runChecked(['ip', '-n', this.namespace, ...args]);
  }

  /** What a connection to its address meets: sshd, a host without one, or nothing at all. */
  private answer(): Promise<'connected' | 'refused' | 'none'> {
    return new Promise((resolve) => {
      const socket = connect({ host: this.address, port: PORT });
      socket.once('connect', () => {
        socket.destroy();
        resolve('connected');
      });
      socket.once('error', (error: NodeJS.ErrnoException) =>
        resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'none'),
      );
      socket.once('close', () => resolve('none'));
    });
  }
}

/** Ends what runs in it, then removes it and with it its cable. */
export async function removeNamespace(namespace: string): Promise<void> {
  await waitFor(`processes in ${namespace} to end`, async () => {
    const { stdout } = await run(['ip', 'netns', 'pids', namespace]);
    const pids = stdout.toString('utf8').split('\n').filter(Boolean);
    for (const pid of pids) kill(Number(pid));
    return pids.length === 0;
  });
  await run(['ip', 'netns', 'del', namespace]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}

async function nameOf(pid: number): Promise<string> {
  return readFile(`/proc/${String(pid)}/comm`, 'utf8').catch(() => '');
}
