/** The real drop service as a child process, with a home, keys and accounts of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileDurably } from '../../shared/files/durable.ts';
import { minimalEnvironment, run, runChecked, type RunResult } from '../../shared/process/run.ts';
import type { AccountsSnapshot } from '../../shared/protocol/accounts-snapshot.ts';

const MAIN = fileURLToPath(new URL('../../services/drop/main.ts', import.meta.url));
/** A line of drop's log. */
export type LogLine = Record<string, unknown> & { msg: string };

export interface Drop {
  home: string;
  /** Holds the private keys `sender`, `guest` and `stranger`, and whatever a test uploads. */
  client: string;
  port: number;
  httpPort: number;
  process: ChildProcess;
  log: LogLine[];
  env: Record<string, string>;
  incoming(product: string, login: string): string;
  /** `-o` options that log in with one key and trust drop's host key only. */
  sshOptions(key: string): string[];
  scp(key: string, login: string, files: string[], target: string, more?: string[]): Promise<RunResult>;
  /** Commands for `sftp -b`. */
  sftp(key: string, login: string, commands: string[]): Promise<RunResult>;
  writeAccounts(accounts: AccountsSnapshot['accounts']): Promise<void>;
  publicKey(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts drop with products bookworm and trixie, accounts sender and guest, and the given limits. */
export async function startDrop(limits: Record<string, number> = {}): Promise<Drop> {
  const home = await mkdtemp(path.join(tmpdir(), 'drop-'));
  const client = path.join(home, 'client');
  await writeFileDurably(path.join(client, 'hello.txt'), 'hello\n');
  for (const name of ['sender', 'guest', 'stranger']) {
    await runChecked(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path.join(client, name)]);
  }
  const publicKey = async (name: string): Promise<string> =>
    (await readFile(path.join(client, `${name}.pub`), 'utf8')).trim();
  const writeAccounts = (accounts: AccountsSnapshot['accounts']): Promise<void> =>
    writeFileDurably(
      path.join(home, 'drop', 'accounts.json'),
      JSON.stringify({
        version: 1,
        writtenAt: '2026-01-01T00:00:00Z',
        products: ['bookworm', 'trixie'],
        accounts,
      }),
    );
  await writeAccounts([
    { login: 'sender', sshKeys: [await publicKey('sender')] },
    { login: 'guest', sshKeys: [await publicKey('guest')] },
  ]);
  await writeFileDurably(
    path.join(home, 'autobuilder.yaml'),
    JSON.stringify({ drop: { listen: '127.0.0.1:0', http: '127.0.0.1:0', limits } }),
  );
  const env = minimalEnvironment({ AUTOBUILDER_HOME: home, HOME: client, LOG_LEVEL: 'info' });
  const { child, log, listens } = await launch(env);
  const port = Number(listens['port']);
  await writeFileDurably(
    path.join(client, 'known_hosts'),
    `[127.0.0.1]:${String(port)} ${String(listens['hostKey'])}\n`,
  );

  const sshOptions = (key: string): string[] =>
    [
      `Port=${String(port)}`,
      `IdentityFile=${path.join(client, key)}`,
      'IdentitiesOnly=yes',
      'BatchMode=yes',
      'LogLevel=ERROR',
      'StrictHostKeyChecking=yes',
      `UserKnownHostsFile=${path.join(client, 'known_hosts')}`,
    ].flatMap((option) => ['-o', option]);
  const inClient = { cwd: client, env, timeoutMs: 20_000 };
  return {
    home,
    client,
    port,
    httpPort: (listens['http'] as { port: number }).port,
    process: child,
    log,
    env,
    incoming: (product, login) => path.join(home, 'incoming', product, login),
    sshOptions,
    scp: (key, login, files, target, more = []) =>
      run(['scp', ...more, ...sshOptions(key), ...files, `${login}@127.0.0.1:${target}`], inClient),
    sftp: (key, login, commands) =>
      run(['sftp', ...sshOptions(key), '-b', '-', `${login}@127.0.0.1`], {
        ...inClient,
        input: `${commands.join('\n')}\n`,
      }),
    writeAccounts,
    publicKey,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Resolves with the line that says where it listens; throws with the log when it ends before. */
async function launch(
  env: Record<string, string>,
): Promise<{ child: ChildProcess; log: LogLine[]; listens: LogLine }> {
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const log: LogLine[] = [];
  const listens = await new Promise<LogLine>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (text) => {
      const line = JSON.parse(text) as LogLine;
      log.push(line);
      if (line.msg === 'drop listens') resolve(line);
    });
    child.once('exit', () => reject(new Error(`drop ended: ${JSON.stringify(log)}`)));
  });
  return { child, log, listens };
}
