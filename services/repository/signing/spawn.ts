/**
 * Starts the signing process as a child: an environment with nothing but PATH, language and log level, files limited
 * to its own code and the keys (Node's permission model), and, where the kernel lets us, a network namespace
 * with nothing in it. It talks over one inherited socket and ends when that ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../../shared/log/logger.ts';
import { run } from '../../../shared/process/run.ts';
import { makeFolders } from './archive-key.ts';
import type { VaultSettings } from './vault.ts';

const MAIN = path.join(import.meta.dirname, 'main.ts');
const CHECKOUT = path.resolve(import.meta.dirname, '../../..');
/** What its code is made of; never the whole checkout, where somebody's data may lie too. */
const CODE = ['package.json', 'node_modules', 'shared', 'services'];
/** It signs some kilobytes at a time: a larger nursery would only be kept. */
const NURSERY = '--max-semi-space-size=1';
const PROBE_TIMEOUT_MS = 5_000;
/** Lines of its log that are longer are cut off. */
const MAX_LOG_BYTES = 64 * 1024;

export interface SignerProcess {
  child: ChildProcess;
  socket: Duplex;
}

/** Starts it; what it logs goes to `log`. Nothing is asked of it yet. */
export async function spawnSigner(settings: VaultSettings, log: Logger): Promise<SignerProcess> {
  const [program, ...args] = [
    ...(await networkSeal(log)),
    process.execPath,
    NURSERY,
    ...(await permissions(settings)),
    MAIN,
  ];
  const child = spawn(program ?? process.execPath, args, {
    cwd: '/',
    env: {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      LANG: 'C.UTF-8',
      LOG_LEVEL: log.level,
      ...(settings.gpg.length > 0 ? { HOME: process.env['HOME'] ?? '/' } : {}),
    },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    // Ctrl-C and the supervisor's signals are for the repository; the signer ends with its socket.
    detached: true,
  });
  passOnLog(child, log);
  return { child, socket: child.stdio[3] as unknown as Duplex };
}

/** Node's permission model goes by real paths and wants the folders to be there. */
async function permissions(settings: VaultSettings): Promise<string[]> {
  const { file, isMade } = settings.passphrase;
  const writes = await makeFolders(settings);
  const code = CODE.map((name) => path.join(CHECKOUT, name));
  const reads = [...code, ...writes, ...(isMade ? [] : [file])];
  return [
    '--permission',
    ...(await withRealPaths(reads)).map((each) => `--allow-fs-read=${each}`),
    ...(await withRealPaths(writes)).map((each) => `--allow-fs-write=${each}`),
    // gpg is a program; keys of our own need none.
    ...(settings.gpg.length > 0 ? ['--allow-child-process'] : []),
  ];
}

async function withRealPaths(files: readonly string[]): Promise<string[]> {
  const real = await Promise.all(files.map((file) => realpath(file).catch(() => file)));
  return [...new Set([...files, ...real])];
}

const SEALS = [
  ['unshare', '--net', '--'],
  ['unshare', '--user', '--map-current-user', '--net', '--'],
] as const;

/** What to put before the command so that it has no network; empty where the kernel does not let us. */
async function networkSeal(log: Logger): Promise<readonly string[]> {
  for (const seal of SEALS) {
    const tried = await run([...seal, 'true'], { timeoutMs: PROBE_TIMEOUT_MS }).catch(() => null);
    if (tried?.code === 0) return seal;
  }
  log.warn('the signing process cannot be cut off from the network here: no network namespaces');
  return [];
}

function passOnLog(child: ChildProcess, log: Logger): void {
  let rest = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).slice(-MAX_LOG_BYTES).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('{')) process.stderr.write(`${line}\n`);
      else if (line.trim() !== '') log.warn({ signer: line }, 'the signer says');
    }
  });
}
