/**
 * Which bytes of a file have been written, as sorted, disjoint, non-touching ranges. Tells a whole
 * file from one with holes when its pieces come out of order.
 */
export class Extents {
  readonly #ranges: { start: number; end: number }[] = [];

  /** Ranges that do not touch each other; 0 for an empty file, 1 for one without inner holes. */
  get count(): number {
    return this.#ranges.length;
  }

  /** The end of the last range, in bytes. */
  get end(): number {
    return this.#ranges.at(-1)?.end ?? 0;
  }

  /** True when every byte from 0 to `end` was written. */
  get whole(): boolean {
    return this.count === 0 || (this.count === 1 && this.#ranges[0]?.start === 0);
  }

  /** Adds `[start, end)`. Appending, the usual case, costs nothing. */
  add(start: number, end: number): void {
    if (end <= start) return;
    const last = this.#ranges.at(-1);
    if (last && last.end === start) {
      last.end = end;
      return;
    }
    const first = this.#ranges.findIndex((range) => range.end >= start);
    const from = first === -1 ? this.count : first;
    let to = from;
    const merged = { start, end };
    for (let next = this.#ranges[to]; next && next.start <= end; next = this.#ranges[to]) {
      merged.start = Math.min(merged.start, next.start);
      merged.end = Math.max(merged.end, next.end);
      to += 1;
    }
    this.#ranges.splice(from, to - from, merged);
  }

  /** Forgets everything from `size` on. */
  cut(size: number): void {
    for (let last = this.#ranges.at(-1); last && last.end > size; last = this.#ranges.at(-1)) {
      if (last.start < size) last.end = size;
      else this.#ranges.pop();
    }
  }
}
