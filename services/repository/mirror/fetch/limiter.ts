/** Bytes a second, over all downloads of a mirror together. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Limiter {
  /** Waits until so many bytes may pass. */
  take(bytes: number, signal?: AbortSignal): Promise<void>;
}

/** `bytesPerSecond` undefined: no limit. */
export function createLimiter(bytesPerSecond: number | undefined): Limiter {
  if (bytesPerSecond === undefined) return { take: () => Promise.resolve() };
  let freeAtMs = 0;
  return {
    take: async (bytes, signal) => {
      const now = Date.now();
      const startMs = Math.max(freeAtMs, now);
      freeAtMs = startMs + (bytes / bytesPerSecond) * 1000;
      if (startMs > now) await delay(startMs - now, undefined, signal ? { signal } : {});
    },
  };
}
