/**
 * A target that rclone(1) reaches: object stores, WebDAV and many more. They replace a file as a whole, know no
 * links, and often no times: what may change under its name is sent whenever the generation has another.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Location } from '../location.ts';
import { filesBelow, rootFiles, type Sent, type SyncJob, type TargetStore } from '../job.ts';
import type { Target } from '../targets.ts';
import { MAX_LIST_BYTES, runBound } from './child.ts';
import { syncFailure } from './failure.ts';

const COMMON = [
  // One more try than rsync has: stores answer with "slow down" on good days too.
  ...['--retries=2', '--low-level-retries=3', '--contimeout=20s'],
  // What was moved is told once, at the end; the interval is one that never passes.
  ...['--use-json-log', '--stats=1000h', '--stats-log-level=NOTICE'],
  // A name that is mistyped must not become a bucket, nor must the account have the right to make one.
  '--s3-no-check-bucket',
];
/** With few files it costs more to list a place than to ask for each. */
const FEW_FILES = 500;
/** rclone's answer for a folder that is not there. */
const NOT_THERE = 3;
const QUIET_MS = 60_000;

interface Said {
  stdout: string;
  stats: { transfers: number; bytes: number };
}

type RcloneLocation = Extract<Location, { kind: 'rclone' }>;

export function rcloneStore(target: Target, location: RcloneLocation, signal?: AbortSignal): TargetStore {
  return new RcloneStore(target, location, signal);
}

class RcloneStore implements TargetStore {
  readonly #target: Target;
  readonly #location: RcloneLocation;
  readonly #signal: AbortSignal | undefined;

  constructor(target: Target, location: RcloneLocation, signal: AbortSignal | undefined) {
    this.#target = target;
    this.#location = location;
    this.#signal = signal;
  }

  /** The keys are the probe; free space where the store tells it. */
  async check(job: SyncJob): Promise<void> {
    const own = (await rootFiles(job.root)).map((name) => `${job.queue}/${name}`);
    await this.#copy(job.staging, '', [...(await rootFiles(job.staging)), ...own], ['--ignore-times']);
    if (this.#target.minFreeBytes !== null) await this.#checkSpace(this.#target.minFreeBytes);
  }

  async #checkSpace(minFreeBytes: number): Promise<void> {
    const asked = this.#rclone(['about', '--json', `${this.#location.remote}:`]);
    const about = await asked.catch(() => ({ stdout: '{}' }));
    const { free } = JSON.parse(about.stdout) as { free?: number };
    // Many stores have no such thing as free space.
    if (free === undefined || free >= minFreeBytes) return;
    const message = `${String(free)} bytes are free, ${String(minFreeBytes)} must stay free`;
    throw new AppError('target-full', `${this.#target.text} is full: ${message}`, {
      hint: 'Free space there, or lower minFreeBytes of this target.',
    });
  }

  async send(job: SyncJob): Promise<Sent> {
    const sent: Sent = { files: 0, bytes: 0 };
    const same = job.mode === 'verify' ? ['--checksum'] : ['--size-only'];
    const copy = async (
      from: string,
      to: string,
      files: string[],
      args: readonly string[],
    ): Promise<void> => {
      const { files: count, bytes } = await this.#copy(from, to, files, args);
      sent.files += count;
      sent.bytes += bytes;
    };
    const pool = `${job.queue}/pool/${job.product}`;
    // A published file never changes, and by-hash names its content: what has the size is there.
    await copy(job.pool, pool, await poolNames(job), same);
    await job.step('sync-pool');
    const all = await this.#changedIndexes(job);
    const dists = `${job.queue}/dists/${job.product}`;
    await copy(job.generation, dists, all.filter(isHashed), same);
    await job.step('sync-by-hash');
    const others = all.filter((file) => !isHashed(file) && file !== 'InRelease');
    await copy(job.generation, dists, others, ['--ignore-times']);
    await job.step('sync-indexes');
    await copy(job.generation, dists, ['InRelease'], ['--ignore-times']);
    await job.step('sync-switched');
    return sent;
  }

  /** Those that the generation before had otherwise, which share their time when they are the same. */
  async #changedIndexes(job: SyncJob): Promise<string[]> {
    const files = await filesBelow(job.generation);
    if (job.mode !== 'changed' || job.before === null) return files;
    const before = path.join(job.generations, String(job.before));
    const changed: string[] = [];
    for (const file of files) {
      const [now, then] = await Promise.all([
        stat(path.join(job.generation, file)),
        stat(path.join(before, file)).catch(() => null),
      ]);
      if (then === null || then.size !== now.size || then.mtimeMs !== now.mtimeMs) changed.push(file);
    }
    return changed;
  }

  async list(folder: string): Promise<string[]> {
    return [...(await this.sizes(folder)).keys()].toSorted();
  }

  async sizes(folder: string): Promise<Map<string, number>> {
    const args = ['lsf', '--recursive', '--files-only', '--format=sp', '--separator=;', this.#at(folder)];
    const { stdout } = await this.#rclone(args, [0, NOT_THERE]);
    const lines = stdout.split('\n').filter(Boolean);
    return new Map(lines.map((line) => [line.slice(line.indexOf(';') + 1), Number.parseInt(line, 10)]));
  }

  async remove(files: readonly string[]): Promise<void> {
    if (files.length === 0) return;
    await withList(files, (list) =>
      this.#rclone(['delete', lookFor(files), '--files-from-raw', list, this.#at('')]),
    );
  }

  hashedRoot({ queue, product }: { queue: string; product: string }): string {
    return path.join(queue, 'dists', product);
  }

  async tidy(job: SyncJob): Promise<void> {
    const dists = `${job.queue}/dists/${job.product}`;
    const wanted = new Set(await filesBelow(job.generation));
    const there = (await this.list(dists)).filter((file) => !isHashed(file));
    await this.remove(there.filter((file) => !wanted.has(file)).map((file) => `${dists}/${file}`));
  }

  /** Gives what was really moved: what is there already is not. */
  async #copy(from: string, to: string, files: readonly string[], args: readonly string[]): Promise<Sent> {
    if (files.length === 0) return { files: 0, bytes: 0 };
    const { stats } = await withList(files, (list) =>
      this.#rclone(['copy', ...args, lookFor(files), '--files-from-raw', list, from, this.#at(to)]),
    );
    return { files: stats.transfers, bytes: stats.bytes };
  }

  #at(relative: string): string {
    const { remote, path: folder } = this.#location;
    return `${remote}:${[folder, relative].filter(Boolean).join('/')}`;
  }

  async #rclone(args: readonly string[], okCodes: readonly number[] = [0]): Promise<Said> {
    const { bandwidthKiB, configFile, timeoutMs, stallMs } = this.#target;
    const options = [
      `--timeout=${String(Math.ceil(stallMs / 1000))}s`,
      ...(configFile === null ? [] : [`--config=${configFile}`]),
      ...(bandwidthKiB === null ? [] : [`--bwlimit=${String(bandwidthKiB)}Ki`]),
    ];
    const result = await runBound(['rclone', ...COMMON, ...options, ...args], {
      maxOutputBytes: MAX_LIST_BYTES,
      timeoutMs: args[0] === 'about' ? Math.max(QUIET_MS, 3 * stallMs) : timeoutMs,
      ...(this.#signal ? { signal: this.#signal } : {}),
    });
    const { words, stats } = readLog(result.stderr.toString('utf8'));
    if (result.code !== null && okCodes.includes(result.code))
      return { stdout: result.stdout.toString('utf8'), stats };
    throw syncFailure('rclone', { ...result, stderr: Buffer.from(words) }, this.#target);
  }
}

function isHashed(file: string): boolean {
  return file.split('/').includes('by-hash');
}

async function poolNames(job: SyncJob): Promise<string[]> {
  if (job.poolFiles === null) return filesBelow(job.pool);
  const names: string[] = [];
  for (const file of job.poolFiles) {
    const isThere = file.required || (await stat(path.join(job.pool, file.path)).catch(() => null)) !== null;
    if (isThere) names.push(file.path);
  }
  return names;
}

/** rclone takes a list of names from a file. */
async function withList<T>(files: readonly string[], work: (list: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-list-'));
  try {
    const list = path.join(folder, 'files');
    await writeFile(list, files.map((file) => `${file}\n`).join(''));
    return await work(list);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Names are looked for one by one, or in one listing of all that a place has, without its folders one by one. */
function lookFor(files: readonly string[]): string {
  return files.length < FEW_FILES ? '--no-traverse' : '--fast-list';
}

const logLine = z.object({
  msg: z.string(),
  stats: z.object({ transfers: z.number(), bytes: z.number() }).optional(),
});

/** The messages of its JSON log, and what it says to have moved. */
function readLog(stderr: string): { words: string; stats: Said['stats'] } {
  const words: string[] = [];
  let stats = { transfers: 0, bytes: 0 };
  for (const line of stderr.split('\n').filter((each) => each.trim() !== '')) {
    const entry = logLine.safeParse(parsed(line));
    if (!entry.success) words.push(line);
    else if (entry.data.stats) ({ stats } = entry.data);
    else words.push(entry.data.msg);
  }
  return { words: words.join('\n'), stats };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
