/**
 * A target that rclone(1) reaches: object stores, WebDAV and many more. They replace a file as a whole, know no
 * links, and often no times: what may change under its name is sent whenever the generation has another.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Location } from '../location.ts';
import { filesBelow, rootFiles, type Sent, type SyncJob, type TargetStore } from '../job.ts';
import type { Target } from '../targets.ts';
import { runBound } from './child.ts';
import { syncFailure } from './failure.ts';

/** One more try than rsync has: stores answer with "slow down" on good days too. */
const COMMON = ['--retries=2', '--low-level-retries=3', '--contimeout=20s', '--stats=0', '--use-json-log'];
/** rclone's answer for a folder that is not there. */
const NOT_THERE = 3;
const QUIET_MS = 60_000;

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
    const about = await this.#rclone(['about', '--json', `${this.#location.remote}:`]).catch(() => '{}');
    const { free } = JSON.parse(about) as { free?: number };
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
      await this.#copy(from, to, files, args);
      sent.files += files.length;
      for (const file of files)
        sent.bytes += (await stat(path.join(from, file)).catch(() => null))?.size ?? 0;
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
    const args = ['lsf', '--recursive', '--files-only', this.#at(folder)];
    const output = await this.#rclone(args, [0, NOT_THERE]);
    return output.split('\n').filter(Boolean).toSorted();
  }

  async remove(files: readonly string[]): Promise<void> {
    if (files.length === 0) return;
    await withList(files, (list) => this.#rclone(['delete', '--files-from-raw', list, this.#at('')]));
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

  async #copy(from: string, to: string, files: readonly string[], args: readonly string[]): Promise<void> {
    if (files.length === 0) return;
    // With few files it costs more to list the folder there than to ask for each.
    const look = files.length < 500 ? ['--no-traverse'] : [];
    await withList(files, (list) =>
      this.#rclone(['copy', ...args, ...look, '--files-from-raw', list, from, this.#at(to)]),
    );
  }

  #at(relative: string): string {
    const { remote, path: folder } = this.#location;
    return `${remote}:${[folder, relative].filter(Boolean).join('/')}`;
  }

  async #rclone(args: readonly string[], okCodes: readonly number[] = [0]): Promise<string> {
    const { bandwidthKiB, configFile, timeoutMs, stallMs } = this.#target;
    const options = [
      `--timeout=${String(Math.ceil(stallMs / 1000))}s`,
      ...(configFile === null ? [] : [`--config=${configFile}`]),
      ...(bandwidthKiB === null ? [] : [`--bwlimit=${String(bandwidthKiB)}Ki`]),
    ];
    const result = await runBound(['rclone', ...COMMON, ...options, ...args], {
      timeoutMs: args[0] === 'copy' ? timeoutMs : Math.max(QUIET_MS, 3 * stallMs),
      ...(this.#signal ? { signal: this.#signal } : {}),
    });
    if (result.code !== null && okCodes.includes(result.code)) return result.stdout.toString('utf8');
    throw syncFailure('rclone', { ...result, stderr: Buffer.from(words(result.stderr)) }, this.#target);
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

/** The messages of its JSON log. */
function words(stderr: Buffer): string {
  return stderr
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [String((JSON.parse(line) as { msg?: unknown }).msg)];
      } catch {
        return line.trim() === '' ? [] : [line];
      }
    })
    .join('\n');
}
