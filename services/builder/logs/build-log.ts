/** build.log: what people read and what garage follows. Written by the runner only, never by what it runs. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { Stage } from '../../../shared/protocol/job.ts';

/** What the runner itself may still say after the limit: some header lines and the end. */
const TAIL_ROOM_BYTES = 8 * 1024;

/** Quotes an argv for people; it is never run from this text. */
export function showCommand(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

/** Where a log goes. */
export interface LogSink {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Appends to a file; closing makes it durable. */
export function fileSink(file: string): LogSink {
  const fd = openSync(file, 'a', 0o644);
  return {
    write: (bytes) => {
      let written = 0;
      while (written < bytes.length) written += writeSync(fd, bytes, written);
    },
    close: () => {
      fsyncSync(fd);
      closeSync(fd);
    },
  };
}

/** This process's stdout, which may be a pipe that does not take everything at once. */
export function stdoutSink(): LogSink {
  return { write: (bytes) => void process.stdout.write(bytes), close: () => undefined };
}

export class BuildLog {
  readonly #sink: LogSink;
  readonly #maxBytes: number;
  readonly #onLimit: () => void;
  readonly #startedMs = Date.now();
  #bytes = 0;
  #roomBytes = TAIL_ROOM_BYTES;
  #atLineStart = true;
  #isCut = false;
  #lastMs = Date.now();

  /** `onLimit` is called once, when output was cut at `maxBytes`. */
  constructor(sink: LogSink, maxBytes: number, onLimit: () => void) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
    this.#onLimit = onLimit;
  }

  /** Seconds since the log was opened, to one digit. */
  get seconds(): string {
    return ((Date.now() - this.#startedMs) / 1000).toFixed(1);
  }

  /** Milliseconds since anything was written. */
  get quietMs(): number {
    return Date.now() - this.#lastMs;
  }

  /** Output of what is run, as it is. */
  write(chunk: Uint8Array): void {
    if (this.#isCut) return;
    const room = this.#maxBytes - this.#bytes;
    this.#put(chunk.length <= room ? chunk : chunk.subarray(0, room));
    if (chunk.length <= room) return;
    this.#isCut = true;
    this.line(`==> the log has reached its limit of ${this.#maxBytes} bytes; the job ends here`);
    this.#onLimit();
  }

  /** One line of the runner's own. */
  line(text: string): void {
    const line = Buffer.from(`${this.#atLineStart ? '' : '\n'}${text}\n`);
    if (this.#isCut) {
      if (line.length > this.#roomBytes) return;
      this.#roomBytes -= line.length;
    }
    this.#put(line);
  }

  stage(stage: Stage): void {
    this.line(`==> ${stage} (${this.seconds} s since start)`);
  }

  command(argv: readonly string[]): void {
    this.line(`+ ${showCommand(argv)}`);
  }

  close(): void {
    this.#sink.close();
  }

  #put(bytes: Uint8Array): void {
    this.#sink.write(bytes);
    this.#lastMs = Date.now();
    this.#bytes += bytes.length;
    if (bytes.length > 0) this.#atLineStart = bytes.at(-1) === 0x0a;
  }
}
