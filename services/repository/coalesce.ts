/**
 * Turns many hints into few runs: one run at a time, and one more after it for whatever was asked while
 * it ran. So a hint is never lost and never piles up.
 */
export interface Coalesced {
  /** Asks for a run; returns at once. */
  wake(): void;
  /** Asks for a run and waits until nothing is left to do. */
  run(): Promise<void>;
  /** Takes no more and waits for the run that is under way. */
  stop(): Promise<void>;
}

/** `work` may throw: that goes to `onError`, and the next run is as good as any. */
export function coalesce(work: () => Promise<void>, onError: (error: unknown) => void): Coalesced {
  let running: Promise<void> | null = null;
  const state = { isAskedAgain: false, isStopped: false };
  const loop = async (): Promise<void> => {
    do {
      state.isAskedAgain = false;
      try {
        await work();
      } catch (error) {
        onError(error);
      }
    } while (state.isAskedAgain && !state.isStopped);
    running = null;
  };
  const wake = (): void => {
    if (state.isStopped) return;
    if (running) state.isAskedAgain = true;
    else running = loop();
  };
  return {
    wake,
    run: async () => {
      wake();
      await running;
    },
    stop: async () => {
      state.isStopped = true;
      await running;
    },
  };
}
