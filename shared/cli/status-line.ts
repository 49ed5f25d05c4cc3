/** One line on standard error that changes on a terminal; a line now and then in a log. */
import type { Output } from './output.ts';

/** Often enough to be watched, seldom enough to cost nothing. */
const TERMINAL_INTERVAL_MS = 200;
const LOG_INTERVAL_MS = 10_000;

export interface StatusLine {
  /** What may be left out if the one before was shown less than this ago. */
  intervalMs: number;
  show(text: string): void;
  /** Ends the line, so that what follows begins a new one. */
  end(): void;
}

/** `isTerminal`: the line is written over; else a new one each time. */
export function createStatusLine(output: Output, isTerminal: boolean): StatusLine {
  let isOpen = false;
  return {
    intervalMs: isTerminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS,
    show: (text) => {
      output.err(isTerminal ? `\r\u001b[K${text}` : `${text}\n`);
      isOpen = isTerminal;
    },
    end: () => {
      if (isOpen) output.err('\n');
      isOpen = false;
    },
  };
}
