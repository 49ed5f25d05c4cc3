/** Counts what is under way, at most so many. */
export interface Bound {
  readonly open: number;
  /** False when all places are taken. */
  enter(): boolean;
  leave(): void;
}

export function createBound(max: number): Bound {
  let open = 0;
  return {
    get open() {
      return open;
    },
    enter: () => {
      if (open >= max) return false;
      open += 1;
      return true;
    },
    leave: () => {
      open -= 1;
    },
  };
}
