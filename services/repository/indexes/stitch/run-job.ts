/**
 * Makes the content of a file from the one before it and what changed. Every byte of the old content is read
 * once and held to its sum on the way: what is stitched on is what was published, or the work is refused. Up to
 * the first change both sums are one, so a change costs one pass over the old content and no more.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, futimesSync, openSync, readSync, writeSync } from 'node:fs';
import { AppError } from '../../../../shared/errors/app-error.ts';

/** Bytes of the old file; ranges of `keep` and `drop`, in order, are its whole content. */
export interface Range {
  from: number;
  length: number;
}

export type Operation = { keep: Range } | { drop: Range } | { put: Uint8Array };

/** Bytes that it reads or puts. */
export function lengthOf(operation: Operation): number {
  if ('put' in operation) return operation.put.length;
  return ('keep' in operation ? operation.keep : operation.drop).length;
}

export interface StitchJob {
  /** The old file; null when there is none, and nothing to keep or drop. */
  source: string | null;
  operations: readonly Operation[];
  /** SHA256 of the old content. */
  expected: string | null;
  /** Null: only the sums are wanted. */
  target: string | null;
  /** Modification time of the target, in milliseconds since 1970. */
  dateMs: number;
  withMd5: boolean;
}

export interface FileSums {
  size: number;
  /** Lower-case hexadecimal. */
  sha256: string;
  md5: string | null;
}

/** Read and written at once: what is read is still in the processor's cache when it is summed and written. */
const PIECE_BYTES = 256 * 1024;

/**
 * Does the job without a pause; the target is whole, but not durable yet. Throws `index-stale` when the old content is
 * not what it was.
 */
export function runJob(job: StitchJob): FileSums {
  const source = job.source === null ? null : openOld(job.source);
  try {
    const target = job.target === null ? null : openSync(job.target, 'w', 0o644);
    try {
      return runOperations(job, source, target);
    } finally {
      if (target !== null) {
        futimesSync(target, job.dateMs / 1000, job.dateMs / 1000);
        closeSync(target);
      }
    }
  } finally {
    if (source !== null) closeSync(source);
  }
}

function openOld(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (cause) {
    throw new AppError('index-stale', `${file} cannot be read`, { cause });
  }
}

/** The sums of old and new content, one object until they part. */
class Sums {
  old: Hash = createHash('sha256');
  #new: Hash | null = null;
  readonly #md5: Hash | null;
  size = 0;

  constructor(withMd5: boolean) {
    this.#md5 = withMd5 ? createHash('md5') : null;
  }

  keep(bytes: Uint8Array): void {
    this.old.update(bytes);
    this.#new?.update(bytes);
    this.#md5?.update(bytes);
    this.size += bytes.length;
  }

  drop(bytes: Uint8Array): void {
    this.#part();
    this.old.update(bytes);
  }

  put(bytes: Uint8Array): void {
    this.#part().update(bytes);
    this.#md5?.update(bytes);
    this.size += bytes.length;
  }

  #part(): Hash {
    this.#new ??= this.old.copy();
    return this.#new;
  }

  end(): { old: string; sums: FileSums } {
    const sha256 = this.#part().digest('hex');
    const md5 = this.#md5?.digest('hex') ?? null;
    return { old: this.old.digest('hex'), sums: { size: this.size, sha256, md5 } };
  }
}

function runOperations(job: StitchJob, source: number | null, target: number | null): FileSums {
  const sums = new Sums(job.withMd5);
  const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, largestRange(job)));
  for (const operation of job.operations) {
    if ('put' in operation) {
      sums.put(operation.put);
      if (target !== null) writeAll(target, operation.put);
    } else if ('drop' in operation) {
      for (const bytes of pieces(job, source, operation.drop, buffer)) sums.drop(bytes);
    } else {
      for (const bytes of pieces(job, source, operation.keep, buffer)) {
        sums.keep(bytes);
        if (target !== null) writeAll(target, bytes);
      }
    }
  }
  const { old, sums: made } = sums.end();
  if (job.expected !== null && old !== job.expected) {
    throw new AppError('index-stale', `${job.source ?? ''} is not what it was`);
  }
  return made;
}

function largestRange({ operations }: StitchJob): number {
  return operations.reduce((most, each) => ('put' in each ? most : Math.max(most, lengthOf(each))), 0);
}

/** Each piece is good until the next one is asked for. */
function* pieces(
  job: StitchJob,
  source: number | null,
  { from, length }: Range,
  buffer: Buffer,
): Generator<Buffer> {
  for (let done = 0; done < length;) {
    const wanted = Math.min(buffer.length, length - done);
    const bytesRead = source === null ? 0 : readSync(source, buffer, 0, wanted, from + done);
    if (bytesRead === 0) throw new AppError('index-stale', `${job.source ?? ''} ends too early`);
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}

function writeAll(target: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(target, bytes, done, bytes.length - done);
}
