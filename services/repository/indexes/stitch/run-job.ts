/**
 * Makes the content of a file from the one before it and what changed. Every byte of the old content is read
 * once and held to its sum on the way: what is stitched on is what was published, or the work is refused. Up to
 * the first change both sums are one, so a change costs one pass over the old content and no more.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, utimes, type FileHandle } from 'node:fs/promises';
import { AppError } from '../../../../shared/errors/app-error.ts';

/** Bytes of the old file; ranges of `keep` and `drop`, in order, are its whole content. */
export interface Range {
  from: number;
  length: number;
}

export type Operation = { keep: Range } | { drop: Range } | { put: Uint8Array };

export interface StitchJob {
  /** The old file; null when there is none, and nothing to keep or drop. */
  source: string | null;
  operations: readonly Operation[];
  /** SHA256 of the old content. */
  expected: string | null;
  /** Written durably; null: only the sums are wanted. */
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

/** Read and written at once. */
const PIECE_BYTES = 1024 * 1024;

/** Does the job; throws `index-stale` when the old content is not what it was. */
export async function runJob(job: StitchJob): Promise<FileSums> {
  const source = job.source === null ? null : await openOld(job.source);
  try {
    const target = job.target === null ? null : await open(job.target, 'w', 0o644);
    try {
      const sums = await runOperations(job, source, target);
      await target?.sync();
      return sums;
    } finally {
      await target?.close();
      if (job.target !== null) await utimes(job.target, job.dateMs / 1000, job.dateMs / 1000);
    }
  } finally {
    await source?.close();
  }
}

async function openOld(file: string): Promise<FileHandle> {
  return open(file, 'r').catch((cause: unknown) => {
    throw new AppError('index-stale', `${file} cannot be read`, { cause });
  });
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

async function runOperations(
  job: StitchJob,
  source: FileHandle | null,
  target: FileHandle | null,
): Promise<FileSums> {
  const sums = new Sums(job.withMd5);
  const reading = { job, source, buffers: makeBuffers(job) };
  for (const operation of job.operations) {
    if ('put' in operation) {
      sums.put(operation.put);
      await target?.writeFile(operation.put);
    } else if ('drop' in operation) {
      for await (const bytes of pieces(reading, operation.drop)) sums.drop(bytes);
    } else {
      for await (const bytes of pieces(reading, operation.keep)) {
        const written = target?.writeFile(bytes);
        sums.keep(bytes);
        await written;
      }
    }
  }
  const { old, sums: made } = sums.end();
  if (job.expected !== null && old !== job.expected) {
    throw new AppError('index-stale', `${job.source ?? ''} is not what it was`);
  }
  return made;
}

interface Reading {
  job: StitchJob;
  source: FileHandle | null;
  /** Two, of one size. */
  buffers: readonly Buffer[];
}

function makeBuffers({ operations }: StitchJob): Buffer[] {
  const lengths = operations.map((each) => {
    if ('put' in each) return 0;
    return ('keep' in each ? each.keep : each.drop).length;
  });
  const size = Math.min(PIECE_BYTES, Math.max(0, ...lengths));
  return [Buffer.allocUnsafe(size), Buffer.allocUnsafe(size)];
}

/** The next piece is read while one is worked on; each is good until the one after it is asked for. */
async function* pieces({ job, source, buffers }: Reading, { from, length }: Range): AsyncGenerator<Buffer> {
  const read = async (done: number, turn: number): Promise<Buffer | null> => {
    const buffer = buffers[turn % 2] as Buffer;
    if (done >= length) return null;
    const wanted = Math.min(buffer.length, length - done);
    const bytesRead = (await source?.read(buffer, 0, wanted, from + done))?.bytesRead ?? 0;
    if (bytesRead === 0) throw new AppError('index-stale', `${job.source ?? ''} ends too early`);
    return buffer.subarray(0, bytesRead);
  };
  let next = read(0, 0);
  let done = 0;
  for (let turn = 1; ; turn += 1) {
    const piece = await next;
    if (piece === null) return;
    done += piece.length;
    next = read(done, turn);
    next.catch(() => undefined); // told when it is its turn
    yield piece;
  }
}
