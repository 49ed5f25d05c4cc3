/**
 * Work that is asked for from many sides, as a function that does it one at a time: who asks while it runs
 * gets one more run after it, together with everybody else who asked meanwhile, since what they know of may
 * have come after that run looked.
 */
export function coalesced(work: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const ask = (): Promise<void> => {
    if (!current) {
      current = work().finally(() => {
        current = undefined;
      });
      return current;
    }
    next ??= current
      .catch(() => undefined) // its own askers are told
      .then(() => {
        next = undefined;
        return ask();
      });
    return next;
  };
  return ask;
}
