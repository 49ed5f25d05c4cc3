/** A file that is written piece by piece, with its sums. */
import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import type { FileSums } from './run-job.ts';

/** Pieces are gathered up to this much, since a chunk of an index may have a few bytes only. */
const GATHERED_BYTES = 1024 * 1024;

export class FileWriter {
  readonly #handle: FileHandle;
  readonly #sha256: Hash = createHash('sha256');
  readonly #md5: Hash | null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isOpen = true;
  /** Bytes written so far. */
  size = 0;

  private constructor(handle: FileHandle, withMd5: boolean) {
    this.#handle = handle;
    this.#md5 = withMd5 ? createHash('md5') : null;
  }

  /** Empties the file if it is there. */
  static async open(file: string, withMd5: boolean): Promise<FileWriter> {
    return new FileWriter(await open(file, 'w', 0o644), withMd5);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#sha256.update(bytes);
    this.#md5?.update(bytes);
    this.size += bytes.length;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= GATHERED_BYTES) await this.#flush();
  }

  /** Ends it and says what it holds; `isDurable` makes that survive a power cut. */
  async end(isDurable: boolean): Promise<FileSums> {
    await this.#flush();
    if (isDurable) await this.#handle.sync();
    await this.close();
    return {
      size: this.size,
      sha256: this.#sha256.digest('hex'),
      md5: this.#md5?.digest('hex') ?? null,
    };
  }

  /** Lets go of the file; a second time does nothing. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#handle.writeFile(bytes);
  }
}
