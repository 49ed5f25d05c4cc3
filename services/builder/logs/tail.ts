/** The end of an output, however long that is and in however small pieces it comes. */
export class Tail {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    // Joined only now and then: joining for each piece would copy the whole tail each time.
    if (this.#bytes > 2 * this.#maxBytes) this.#join();
  }

  toString(): string {
    this.#join();
    return this.#chunks[0]?.toString('utf8') ?? '';
  }

  #join(): void {
    // A copy, so that nothing before it is kept in memory.
    const kept = Buffer.from(Buffer.concat(this.#chunks).subarray(-this.#maxBytes));
    this.#chunks = [kept];
    this.#bytes = kept.length;
  }
}
