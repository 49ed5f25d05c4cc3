/** A line on a terminal (or now and then in a log) that says how far a long work is, how fast, and how long it takes yet. */
import type { Output } from '../../../shared/cli/output.ts';
import { createStatusLine } from '../../../shared/cli/status-line.ts';

export interface Progress {
  show: (phase: string, done: number, total: number | null) => void;
  /** Ends the line. */
  end: () => void;
}

/** `isTerminal`: the line is written over; else a new one each time. */
export function createProgress(
  output: Output,
  isTerminal: boolean,
  now = (): number => Date.now(),
): Progress {
  let phase = '';
  let since = now();
  let first = 0;
  let shown = -Infinity;
  const line = createStatusLine(output, isTerminal);
  return {
    end: () => line.end(),
    show: (name, done, total) => {
      const at = now();
      if (name !== phase) {
        line.end();
        [phase, since, first, shown] = [name, at, done, -Infinity];
      }
      const isLast = total !== null && done >= total;
      if (!isLast && at - shown < line.intervalMs) return;
      shown = at;
      line.show(progressLine(name, { done, total, rate: rateOf(done - first, at - since) }));
    },
  };
}

/** Per second. */
function rateOf(done: number, elapsedMs: number): number {
  return elapsedMs <= 0 ? 0 : (done * 1000) / elapsedMs;
}

/** `reading 12000 of 60000 (20%), 1500/s, 32 s left` */
export function progressLine(
  phase: string,
  { done, total, rate }: { done: number; total: number | null; rate: number },
): string {
  if (total === null && done === 0) return phase;
  const parts = [
    total === null
      ? `${phase} ${String(done)}`
      : `${phase} ${String(done)} of ${String(total)}${percent(done, total)}`,
  ];
  if (rate > 0) parts.push(`${String(Math.round(rate))}/s`);
  if (rate > 0 && total !== null && total > done) parts.push(`${restTime((total - done) / rate)} left`);
  return parts.join(', ');
}

function percent(done: number, total: number): string {
  return total === 0 ? '' : ` (${String(Math.floor((done * 100) / total))}%)`;
}

function restTime(seconds: number): string {
  if (seconds < 90) return `${String(Math.ceil(seconds))} s`;
  return seconds < 5400 ? `${String(Math.round(seconds / 60))} min` : `${(seconds / 3600).toFixed(1)} h`;
}
