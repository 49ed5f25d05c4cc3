/** At most so many within a time: a repository that went mad, or a stolen socket, signs no more than that. */
export class RateLimit {
  readonly #most: number;
  readonly #withinMs: number;
  #times: number[] = [];

  constructor(most: number, withinMs: number) {
    this.#most = most;
    this.#withinMs = withinMs;
  }

  /** Counts one; false when it is too many, which is not counted. */
  take(nowMs: number): boolean {
    this.#times = this.#times.filter((time) => nowMs - time < this.#withinMs && time <= nowMs);
    if (this.#times.length >= this.#most) return false;
    this.#times.push(nowMs);
    return true;
  }
}
