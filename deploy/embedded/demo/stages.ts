/** The demo's narration: each stage as it passes, with the time since the start. */

/** Prints `  12.3 s  what happened`. */
export type Tell = (text: string) => void;

/** A narrator that starts counting now. */
export function narrator(): Tell {
  const startedAt = performance.now();
  return (text) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`${seconds.padStart(7)} s  ${text}\n`);
  };
}

/** Between looks at the tables. */
const POLL_MS = 100;

/**
 * Calls `look` until it says it is done, and tells each new line it gives once. Throws what `look`
 * throws, or an error naming `what` after `timeoutMs`.
 */
export async function tellUntil(
  what: string,
  timeoutMs: number,
  tell: Tell,
  look: () => Promise<{ lines: string[]; done: boolean }>,
): Promise<void> {
  const told = new Set<string>();
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { lines, done } = await look();
    for (const line of lines) {
      if (!told.has(line)) tell(line);
      told.add(line);
    }
    if (done) return;
    if (Date.now() > deadline) throw new Error(`${what} took longer than ${String(timeoutMs / 1000)} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
