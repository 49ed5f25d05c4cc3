/** One connection to a signer: requests by number, answers as they come, an error for all when it is lost. */
import type { Duplex } from 'node:stream';
import { AppError } from '../../../shared/errors/app-error.ts';
import { readLines, writeLine } from './lines.ts';
import { answer, type OperationName } from './protocol.ts';

/** A smartcard that waits for its button answers after half of it. */
const ANSWER_TIMEOUT_MS = 90_000;

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

export class Connection {
  readonly #stream: Duplex;
  readonly #requester: string;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;
  #isLost = false;

  constructor(stream: Duplex, requester: string) {
    this.#stream = stream;
    this.#requester = requester;
    readLines(stream, (value) => this.#take(value));
    stream.on('error', () => undefined); // 'close' follows
    stream.on('close', () => this.#lose());
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Throws what the signer answers, `signer-lost` when the connection ends before, `signer-unavailable` when it hangs. */
  ask(operation: OperationName, value: unknown): Promise<unknown> {
    if (this.#isLost) return Promise.reject(lost());
    const id = (this.#number += 1);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new AppError('signer-unavailable', `The signer did not answer '${operation}' in time`));
        this.#stream.destroy(); // what comes late is for nobody
      }, ANSWER_TIMEOUT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      writeLine(this.#stream, { id, operation, requester: this.#requester, value });
    });
  }

  close(): void {
    this.#stream.destroy();
  }

  #take(value: unknown): void {
    const parsed = answer.safeParse(value);
    if (!parsed.success) {
      this.#stream.destroy();
      return;
    }
    const waiting = this.#waiting.get(parsed.data.id);
    if (!waiting) return;
    this.#waiting.delete(parsed.data.id);
    clearTimeout(waiting.timer);
    if ('error' in parsed.data) waiting.reject(errorOf(parsed.data.error));
    else waiting.resolve(parsed.data.value);
  }

  #lose(): void {
    this.#isLost = true;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(lost());
    }
    this.#waiting.clear();
  }
}

/** What the signer says went wrong, as an error of ours. */
export function errorOf(said: { code: string; message: string; hint?: string | undefined }): AppError {
  return new AppError(said.code, said.message, said.hint === undefined ? {} : { hint: said.hint });
}

function lost(): AppError {
  return new AppError('signer-lost', 'The connection to the signer is lost');
}
