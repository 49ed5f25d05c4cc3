/** Which of many cases a short run takes: always the same for a seed, so that a failure can be had again. */

/** AUTOBUILDER_SEED picks others; the long form (AUTOBUILDER_LONG) takes every case. */
export const SEED = Number(process.env['AUTOBUILDER_SEED'] ?? '1');
export const IS_LONG = process.env['AUTOBUILDER_LONG'] !== undefined;

/** mulberry32: small, and the same everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of them by the seed, all of them in the long form; `name` makes lists differ from each other. */
export function chosen<T>(name: string, all: readonly T[]): readonly T[] {
  if (IS_LONG) return all;
  const salt = Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) >>> 0, SEED);
  return all.slice(Math.floor(random(salt)() * all.length)).slice(0, 1);
}
