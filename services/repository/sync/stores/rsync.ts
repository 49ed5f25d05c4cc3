/**
 * A target that rsync(1) reaches: over SSH, a daemon, or a folder that can hold no links. In the order that
 * never shows a client an index before what it names: keys (which probes the target), pool, by-hash, the
 * other indexes, and InRelease last.
 */
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unreachable } from '../../../../shared/errors/app-error.ts';
import { rootFiles, type Sent, type SyncJob, type TargetStore } from '../job.ts';
import type { Target } from '../targets.ts';
import { MAX_LIST_BYTES, runBound } from './child.ts';
import { checkFolder } from './check-folder.ts';
import { checkSpace } from './remote-space.ts';
import { syncFailure } from './failure.ts';
import { sendSnapshots } from './rsync-snapshots.ts';
import { sshOptions } from './ssh-options.ts';

/** A host that does not answer for so long is away. */
const CONNECT_TIMEOUT_S = 20;
const COMMON = [
  '--times',
  '--perms',
  // Live is for everyone to read, whatever this process' umask.
  '--chmod=D755,F644',
  // From rsync 3.2.3 on, there and here.
  '--mkpath',
  '--stats',
  '--no-human-readable',
];

/** Runs rsync once; `input` is what `--files-from=-` reads. */
export type Rsync = (args: readonly string[], from: string, to: string, input?: string) => Promise<string>;

export function rsyncStore(target: Target, signal?: AbortSignal): TargetStore {
  return new RsyncStore(target, signal);
}

class RsyncStore implements TargetStore {
  readonly #target: Target;
  readonly #signal: AbortSignal | undefined;

  constructor(target: Target, signal: AbortSignal | undefined) {
    this.#target = target;
    this.#signal = signal;
  }

  /** Free space where it can be told; the keys are the probe, and leave nothing that is not wanted there. */
  async check(job: SyncJob): Promise<void> {
    const { location } = this.#target;
    if (location.kind === 'local') await checkFolder(this.#target, location.path, job);
    else await this.#sendRootFiles(job, ['--ignore-times']);
    if (location.kind === 'ssh') await checkSpace(this.#target, location, this.#signal);
  }

  async send(job: SyncJob): Promise<Sent> {
    const sent: Sent = { files: 0, bytes: 0 };
    const rsync: Rsync = async (args, from, to, input) => {
      const content = job.mode === 'verify' ? ['--checksum'] : [];
      const output = await this.#rsync([...content, ...args], from, this.#at(to), input);
      sent.files += statistic(output, 'Number of regular files transferred');
      sent.bytes += statistic(output, 'Total transferred file size');
      return output;
    };
    if (this.#target.location.kind === 'local') await this.#sendRootFiles(job, []);
    await sendPool(rsync, job, this.#target.location.kind === 'local');
    await job.step('sync-pool');
    const from = `${job.generation}/`;
    const to = `${job.queue}/dists/${job.product}/`;
    const onlyByHash = ['--include=*/', '--include=by-hash/**', '--exclude=*', '--prune-empty-dirs'];
    await rsync(['--recursive', ...onlyByHash], from, to);
    await job.step('sync-by-hash');
    await rsync(['--recursive', '--delay-updates', '--exclude=by-hash', '--exclude=/InRelease'], from, to);
    await job.step('sync-indexes');
    await rsync([], path.join(job.generation, 'InRelease'), to);
    await job.step('sync-switched');
    if (this.#target.snapshots) {
      const there = await this.list(`${job.queue}/snapshot/`);
      await sendSnapshots(rsync, (files) => this.remove(files), job, there);
      await job.step('sync-snapshots');
    }
    return sent;
  }

  async list(folder: string): Promise<string[]> {
    return [...(await this.sizes(folder)).keys()].toSorted();
  }

  async sizes(folder: string): Promise<Map<string, number>> {
    const from = this.#at(`${folder.replace(/\/+$/, '')}/`);
    const args = ['--recursive', '--list-only', '--links', '--no-human-readable', from];
    return listed(await this.#run(args, undefined, [0, 23]));
  }

  /** Names that the list has and the source, an empty folder, has not are removed there; folders whole. */
  async remove(files: readonly string[]): Promise<void> {
    if (files.length === 0) return;
    const empty = await mkdtemp(path.join(tmpdir(), 'autobuilder-empty-'));
    try {
      const args = ['--delete-missing-args', '--force', '--links', '--files-from=-'];
      await this.#rsync(args, `${empty}/`, this.#at(''), lines(files));
    } finally {
      await rmdir(empty);
    }
  }

  hashedRoot({ queue, product }: { queue: string; product: string }): string {
    return path.join(queue, 'dists', product);
  }

  async tidy(job: SyncJob): Promise<void> {
    const to = this.#at(`${job.queue}/dists/${job.product}/`);
    await this.#rsync(['--recursive', '--delete', '--exclude=by-hash'], `${job.generation}/`, to);
  }

  async #sendRootFiles(job: SyncJob, args: readonly string[]): Promise<void> {
    const names = await rootFiles(job.staging);
    const own = (await rootFiles(job.root)).map((name) => `${job.queue}/${name}`);
    await this.#rsync(
      [...args, '--files-from=-'],
      `${job.staging}/`,
      this.#at(''),
      lines([...names, ...own]),
    );
  }

  #rsync(args: readonly string[], from: string, to: string, input?: string): Promise<string> {
    const limit = this.#target.bandwidthKiB;
    const slow = limit === null ? [] : [`--bwlimit=${String(limit)}`];
    return this.#run([...COMMON, ...slow, ...args, from, to], input);
  }

  async #run(args: readonly string[], input?: string, okCodes: readonly number[] = [0]): Promise<string> {
    const { timeoutMs, stallMs } = this.#target;
    const result = await runBound(
      ['rsync', `--timeout=${String(Math.ceil(stallMs / 1000))}`, ...this.#connection(), ...args],
      {
        timeoutMs,
        maxOutputBytes: MAX_LIST_BYTES,
        ...(input === undefined ? {} : { input }),
        ...(this.#signal ? { signal: this.#signal } : {}),
      },
    );
    if (result.code !== null && okCodes.includes(result.code)) return result.stdout.toString('utf8');
    throw syncFailure('rsync', result, this.#target);
  }

  #connection(): string[] {
    const { location, passwordFile } = this.#target;
    if (location.kind === 'ssh') {
      return ['--rsh', ['ssh', ...sshOptions(this.#target, location.port, CONNECT_TIMEOUT_S)].join(' ')];
    }
    if (location.kind !== 'rsync') return [];
    const password = passwordFile === null ? [] : [`--password-file=${passwordFile}`];
    return [`--contimeout=${String(CONNECT_TIMEOUT_S)}`, ...password];
  }

  /** As rsync's argument; `relative` is below the target's root. */
  #at(relative: string): string {
    const { location } = this.#target;
    switch (location.kind) {
      case 'local':
        return `${location.path}/${relative}`;
      case 'ssh': {
        const user = location.user === null ? '' : `${location.user}@`;
        return `${user}${location.host}:${location.path}/${relative}`;
      }
      case 'rsync':
        return `${location.url}/${relative}`;
      case 'rclone':
        throw new Error('not a target of rsync');
      default:
        return unreachable(location);
    }
  }
}

/** What came, or the whole pool. Links on the same file system, copies elsewhere. */
async function sendPool(rsync: Rsync, job: SyncJob, isLocal: boolean): Promise<void> {
  const folder = `${job.queue}/pool/${job.product}`;
  const link = isLocal ? [`--link-dest=${job.staging}/`] : [];
  if (job.poolFiles === null) {
    const args = ['--recursive', '--exclude=.*', '--files-from=-', '--ignore-missing-args'];
    await rsync([...link, ...args], `${job.staging}/`, '', lines([`${folder}/`]));
    return;
  }
  if (job.poolFiles.length === 0) return;
  const wanted = (isRequired: boolean): string[] =>
    (job.poolFiles ?? [])
      .filter((file) => file.required === isRequired)
      .map((file) => `${folder}/${file.path}`);
  const args = [...link, '--files-from=-'];
  if (wanted(true).length > 0) await rsync(args, `${job.staging}/`, '', lines(wanted(true)));
  if (wanted(false).length > 0)
    await rsync([...args, '--ignore-missing-args'], `${job.staging}/`, '', lines(wanted(false)));
}

function lines(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join('');
}

/** A number out of --stats. */
function statistic(output: string, name: string): number {
  const found = new RegExp(`^${name}: ([0-9]+)`, 'm').exec(output);
  return Number(found?.[1] ?? 0);
}

/** `-rw-r--r--      1,234 2026/01/31 10:00:00 main/h/hello/hello_1.0.dsc`; links and files, no folders. */
function listed(output: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const line of output.split('\n')) {
    const [, size = '', file] = /^[-l]\S{9} +([0-9,.]+) \S+ \S+ (.+?)(?: -> .*)?$/.exec(line) ?? [];
    if (file !== undefined) sizes.set(file, Number(size.replaceAll(/[,.]/g, '')));
  }
  return sizes;
}
