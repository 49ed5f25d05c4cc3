/** Real places to sync to on loopback: an rsync daemon, and WebDAV served by rclone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { minimalEnvironment, runChecked } from '../../shared/process/run.ts';
import { waitFor } from './wait.ts';

export interface SyncPlace {
  /** What the target is configured by. */
  url: string;
  /** Where its files lie. */
  folder: string;
  child: ChildProcess;
  stop(): Promise<void>;
}

/** Module `live` for user `mirror` with a password in `passwordFile`; files lie in `<root>/module`. */
export async function startRsyncDaemon(root: string): Promise<SyncPlace & { passwordFile: string }> {
  const folder = path.join(root, 'module');
  await mkdir(folder, { recursive: true });
  const passwordFile = path.join(root, 'password');
  const secrets = path.join(root, 'secrets');
  await writeFile(passwordFile, 'open-sesame\n', { mode: 0o600 });
  await writeFile(secrets, 'mirror:open-sesame\n', { mode: 0o600 });
  const port = await freePort();
  const config = path.join(root, 'rsyncd.conf');
  const ids = process.getuid?.() === 0 ? ['uid = root', 'gid = root'] : [];
  const lines = [
    ...['use chroot = no', 'log file = /dev/null', `pid file = ${path.join(root, 'pid')}`, ...ids],
    ...['[live]', `path = ${folder}`, 'read only = no', 'auth users = mirror', `secrets file = ${secrets}`],
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const argv = [
    '--daemon',
    '--no-detach',
    `--config=${config}`,
    '--address=127.0.0.1',
    `--port=${String(port)}`,
  ];
  const child = await start('rsync', argv, port);
  const url = `rsync://mirror@127.0.0.1:${String(port)}/live`;
  return { url, folder, child, passwordFile, stop: () => stop(child) };
}

/** WebDAV that rclone serves and speaks: remote `store`, in `configFile`; files lie in `<root>/store`. */
export async function startWebdav(root: string): Promise<SyncPlace & { configFile: string }> {
  const folder = path.join(root, 'store');
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const child = await start(
    'rclone',
    ['serve', 'webdav', '--addr', `127.0.0.1:${String(port)}`, folder],
    port,
  );
  const configFile = path.join(root, 'rclone.conf');
  const lines = ['[store]', 'type = webdav', `url = http://127.0.0.1:${String(port)}`, 'vendor = other'];
  await writeFile(configFile, `${lines.join('\n')}\n`, { mode: 0o600 });
  return {
    url: 'rclone:store:live',
    folder: path.join(folder, 'live'),
    child,
    configFile,
    stop: () => stop(child),
  };
}

/** A folder that is a disk of its own, of this size. Needs root. */
export async function makeDisk(folder: string, bytes: number): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  await runChecked(['mount', '-t', 'tmpfs', '-o', `size=${String(bytes)}`, 'tmpfs', folder]);
  await chmod(folder, 0o755);
  return async () => void (await runChecked(['umount', '--lazy', folder]));
}

async function start(program: string, argv: string[], port: number): Promise<ChildProcess> {
  const child = spawn(program, argv, { stdio: 'ignore', cwd: '/', env: minimalEnvironment() });
  await waitFor(`${program} to answer`, () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${String(child.exitCode)}`);
    return answers(port);
  });
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGKILL');
  await ended;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => socket.destroy());
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
}

/** One that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
