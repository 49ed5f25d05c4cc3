import { setTimeout as delay } from 'node:timers/promises';

/** How often a condition on disk is looked at: quick for people, cheap for the host. */
export const POLL_MS = 100;

/** Waits until `condition` holds; false when it did not within `timeoutMs`. */
export async function pollUntil(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() >= deadline) return false;
    await delay(POLL_MS / 5);
  }
  return true;
}
