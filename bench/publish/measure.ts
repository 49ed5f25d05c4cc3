/**
 * What a piece of work costs: wall time, processor time and the most memory that its whole process tree had at
 * once. Every contender is held to the same: its own program, whatever it starts, and its database's server.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { openSync, closeSync } from 'node:fs';
import { minimalEnvironment } from '../../shared/process/run.ts';

export interface Cost {
  wallS: number;
  cpuS: number;
  /** Resident memory of the whole tree; a database's server, where there is one, is told beside. */
  peakMb: number;
  databasePeakMb?: number;
}

export type Argv = readonly [string, ...string[]];

export interface CommandOptions {
  cwd: string;
  env?: Record<string, string>;
  /** Standard output goes there. */
  outputFile?: string;
}

/** Short enough to see each stage of a long run; the sampling itself costs a hundredth of a core. */
const SAMPLE_MS = 50;
const PAGE_BYTES = 4096;
const MB = 1024 * 1024;
/** Clock ticks of /proc in a second; 100 on every Linux. */
const TICKS = 100;
const MAX_TREE = 200;

/** Runs a program to its end. Throws with the end of its stderr when it fails. */
export async function command(argv: Argv, options: CommandOptions): Promise<Cost> {
  const output = options.outputFile === undefined ? 'ignore' : openSync(options.outputFile, 'w');
  const begun = performance.now();
  // GNU time reports what /proc no longer tells once a process is gone.
  const child = spawn('/usr/bin/time', ['-f', '%U %S %M', '--', ...argv], {
    cwd: options.cwd,
    env: minimalEnvironment(options.env),
    stdio: ['ignore', output, 'pipe'],
  });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString('utf8')).slice(-4_000);
  });
  const pid = child.pid;
  const sampler = sampleMemory(async () => (pid === undefined ? 0 : treeBytes(await tree(pid))));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const wallS = (performance.now() - begun) / 1000;
  const sampledMb = (await sampler.stop()) / MB;
  if (typeof output === 'number') closeSync(output);
  if (code !== 0) throw new Error(`${argv[0]} ended with ${String(code)}: ${errors}`);
  const [user, system, largestKb] = (errors.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return {
    wallS,
    cpuS: (user ?? 0) + (system ?? 0),
    peakMb: Math.max(sampledMb, (largestKb ?? 0) / 1024),
  };
}

/** One after the other. */
export async function inSequence(...parts: (() => Promise<Cost>)[]): Promise<Cost> {
  let total: Cost = { wallS: 0, cpuS: 0, peakMb: 0 };
  for (const part of parts) total = after(total, await part());
  return total;
}

export function after(first: Cost, second: Cost): Cost {
  return {
    wallS: first.wallS + second.wallS,
    cpuS: first.cpuS + second.cpuS,
    peakMb: Math.max(first.peakMb, second.peakMb),
  };
}

/** At the same time. */
export async function together(...parts: (() => Promise<Cost>)[]): Promise<Cost> {
  const costs = await Promise.all(parts.map((part) => part()));
  return {
    wallS: Math.max(...costs.map((each) => each.wallS)),
    cpuS: costs.reduce((sum, each) => sum + each.cpuS, 0),
    peakMb: costs.reduce((sum, each) => sum + each.peakMb, 0),
  };
}

/** What `work` costs in servers that run already, named by their root processes; the database's may be the only one. */
export async function inServers(
  servers: { own: readonly number[]; database: number },
  work: () => Promise<void>,
): Promise<Cost> {
  const trees = async (): Promise<{ own: number[]; database: number[] }> => ({
    own: (await Promise.all(servers.own.map((root) => tree(root)))).flat(),
    database: await tree(servers.database),
  });
  const all = async (): Promise<number[]> => Object.values(await trees()).flat();
  const cpuBefore = await cpuSeconds(await all());
  const own = sampleMemory(async () => treeBytes((await trees()).own));
  const database = sampleMemory(async () => treeBytes((await trees()).database));
  const begun = performance.now();
  await work();
  const wallS = (performance.now() - begun) / 1000;
  const cpuS = (await cpuSeconds(await all())) - cpuBefore;
  return { wallS, cpuS, peakMb: (await own.stop()) / MB, databasePeakMb: (await database.stop()) / MB };
}

function sampleMemory(read: () => Promise<number>): { stop(): Promise<number> } {
  const state = { peak: 0, isStopped: false };
  const loop = async (): Promise<void> => {
    while (!state.isStopped) {
      state.peak = Math.max(state.peak, await read());
      await new Promise((resolve) => {
        setTimeout(resolve, SAMPLE_MS);
      });
    }
  };
  const running = loop();
  return {
    stop: async () => {
      state.isStopped = true;
      await running;
      return state.peak;
    },
  };
}

/** A process and all below it; one that has not begun a program of its own yet is left out. */
async function tree(root: number): Promise<number[]> {
  const found = [{ pid: root, program: await commandOf(root) }];
  for (let at = 0; at < found.length && found.length < MAX_TREE; at += 1) {
    const { pid, program } = found[at] as (typeof found)[number];
    for (const child of await childrenOf(pid)) {
      const own = await commandOf(child);
      // Between fork and exec it is its parent once more, page by page, and would be counted twice.
      if (own !== program) found.push({ pid: child, program: own });
    }
  }
  return found.map((each) => each.pid);
}

async function commandOf(pid: number): Promise<string> {
  return readFile(`/proc/${String(pid)}/cmdline`, 'utf8').catch(() => '');
}

/** Of its main thread, which starts nearly all there are: to look at every thread would cost what is measured. */
async function childrenOf(pid: number): Promise<number[]> {
  const file = `/proc/${String(pid)}/task/${String(pid)}/children`;
  const list = await readFile(file, 'utf8').catch(() => '');
  return list.split(' ').filter(Boolean).map(Number);
}

/**
 * Private pages of each, and what they share once: a database's processes all map one big segment, and counting
 * it for each would count the same memory many times.
 */
async function treeBytes(pids: readonly number[]): Promise<number> {
  let [own, shared] = [0, 0];
  for (const pid of pids) {
    const statm = await readFile(`/proc/${String(pid)}/statm`, 'utf8').catch(() => '0 0 0');
    const [, resident = 0, common = 0] = statm.split(' ').map(Number);
    own += (resident - common) * PAGE_BYTES;
    shared = Math.max(shared, common * PAGE_BYTES);
  }
  return own + shared;
}

/** Of the processes and their children that have ended. */
async function cpuSeconds(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    for (const field of [11, 12, 13, 14]) ticks += Number(fields[field] ?? 0);
  }
  return ticks / TICKS;
}
