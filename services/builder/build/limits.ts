/**
 * Watches what a job uses and says when it is past one of its limits. Memory and processes are counted by
 * looking (see usage.ts), so a burst can pass a limit for one look; two things stand behind it: the kernel's
 * own limit on a build user's processes, and the target's processes being the first that a host without memory
 * ends (see target/inside.ts).
 */
import { statfs } from 'node:fs/promises';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../../shared/process/run.ts';
import type { Job, LimitName, Stage } from '../../../shared/protocol/job.ts';
import type { BuildLog } from '../logs/build-log.ts';
import { USER_NAMESPACE } from '../target/userns.ts';
import { exactMemoryBytes, usageBelow } from './usage.ts';

export interface Breach {
  limit: LimitName;
  /** One sentence for people. */
  message: string;
  /** Nobody's fault but the host's. */
  isMachines?: boolean;
}

/** Quick enough that a build which takes 1 GB/s is ended well before a host swaps, at 1 % of a processor. */
const LOOK_MS = 500;
/** Counting a large build tree takes a second or more; this share of the time may go into it. */
const WALK_SHARE = 1 / 20;
const MIN_WALK_EVERY_MS = 5_000;
/** Of a tree with millions of files on a slow disk. */
const WALK_TIMEOUT_MS = 10 * 60_000;
/** A job may have this much of the host's memory whatever its limit is. */
const HOST_SHARE = 0.9;
/** Where a job's own processes run; making a base is the host's work. */
const WATCHED: readonly Stage[] = ['setup', 'build'];

export interface Watched {
  job: Job;
  log: Pick<BuildLog, 'quietMs'>;
  stage: () => Stage;
  /** Folders that are the job's alone; what is not there yet counts nothing. */
  places: ReadonlySet<string>;
  /** On the file system that they lie on. */
  workdir: string;
}

function mebibytes(bytes: number): string {
  return `${String(Math.round(bytes / 1024 ** 2))} MiB`;
}

export class LimitWatch {
  readonly #watched: Watched;
  readonly #onBreach: (breach: Breach) => void;
  readonly #stopping = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #nextWalkMs = 0;
  #freeAtWalk = Number.POSITIVE_INFINITY;
  #usedAtWalk = 0;

  /** `onBreach` may be called more than once. */
  constructor(watched: Watched, onBreach: (breach: Breach) => void) {
    this.#watched = watched;
    this.#onBreach = onBreach;
  }

  start(): void {
    this.#ended = this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  /** The breach that a disk with too little room is; it explains failures that name no reason, too. */
  async fullDisk(): Promise<Breach | null> {
    const { minFreeBytes } = this.#watched.job.limits ?? {};
    if (minFreeBytes === undefined) return null;
    const free = await this.#freeBytes();
    if (free >= minFreeBytes) return null;
    const message = `The host's disk has ${mebibytes(free)} left, less than the ${mebibytes(minFreeBytes)} to keep free`;
    return { limit: 'disk', message, isMachines: true };
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (WATCHED.includes(this.#watched.stage())) {
        const breach = this.#silence() ?? this.#processes() ?? (await this.#disk().catch(() => null));
        if (breach !== null) this.#onBreach(breach);
      }
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #silence(): Breach | null {
    const { silenceS } = this.#watched.job.limits ?? {};
    if (silenceS === undefined || this.#watched.log.quietMs < silenceS * 1000) return null;
    return { limit: 'silence', message: `The job wrote nothing into its log for ${String(silenceS)} s` };
  }

  #processes(): Breach | null {
    const { processes, memoryBytes } = this.#watched.job.limits ?? {};
    if (processes === undefined && memoryBytes === undefined) return null;
    const usage = usageBelow(process.pid);
    if (processes !== undefined && usage.tasks > processes) {
      const message = `The job had more than ${String(processes)} processes and threads at a time`;
      return { limit: 'processes', message };
    }
    if (memoryBytes === undefined) return null;
    const limit = Math.min(memoryBytes, os.totalmem() * HOST_SHARE);
    // Summing up is cheap and never too little; only what looks like too much is counted exactly.
    if (usage.memoryBytes <= limit || exactMemoryBytes(usage.pids) <= limit) return null;
    return { limit: 'memory', message: `The job used more than ${mebibytes(limit)} of memory` };
  }

  async #disk(): Promise<Breach | null> {
    const full = await this.fullDisk();
    const { diskBytes } = this.#watched.job.limits ?? {};
    if (full !== null || diskBytes === undefined) return full;
    const free = await this.#freeBytes();
    const mayBePast = this.#freeAtWalk - free > diskBytes - this.#usedAtWalk;
    if (Date.now() < this.#nextWalkMs && !mayBePast) return null;
    const began = Date.now();
    this.#usedAtWalk = await this.#usedBytes();
    this.#freeAtWalk = free;
    this.#nextWalkMs = Date.now() + Math.max(MIN_WALK_EVERY_MS, (Date.now() - began) / WALK_SHARE);
    if (this.#usedAtWalk <= diskBytes) return null;
    return { limit: 'disk', message: `The job took more than ${mebibytes(diskBytes)} of disk` };
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#watched.workdir);
    return bavail * bsize;
  }

  /** By du(1), as the namespace's root: the files are of users that this one may not read. */
  async #usedBytes(): Promise<number> {
    const du = ['du', '--summarize', '--total', '--block-size=1', '--one-file-system', '--'];
    const { stdout } = await run([...USER_NAMESPACE, ...du, ...this.#watched.places], {
      timeoutMs: WALK_TIMEOUT_MS,
      signal: this.#stopping.signal,
    });
    return Number(/^(\d+)\ttotal$/m.exec(stdout.toString('utf8'))?.[1] ?? 0);
  }
}
