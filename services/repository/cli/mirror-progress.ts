/** How far an update is, on standard error: one line that changes on a terminal, a line now and then elsewhere. */
import type { Output } from '../../../shared/cli/output.ts';
import type { MirrorProgress } from '../mirror/update.ts';

/** Between two states on a terminal, and between two lines in a log. */
const TERMINAL_MS = 200;
const LOG_MS = 10_000;

export interface ProgressLine {
  show: (progress: MirrorProgress) => void;
  end: () => void;
}

export function createProgressLine(
  output: Output,
  name: string,
  isTerminal = process.stderr.isTTY,
): ProgressLine {
  let phase = '';
  let shownAtMs = 0;
  let isOpen = false;
  const end = (): void => {
    if (isOpen) output.err('\n');
    isOpen = false;
  };
  return {
    end,
    show: (progress) => {
      const now = Date.now();
      const isNew = progress.phase !== phase;
      if (!isNew && now - shownAtMs < (isTerminal ? TERMINAL_MS : LOG_MS)) return;
      phase = progress.phase;
      shownAtMs = now;
      const text = `${name}: ${progressText(progress)}`;
      if (!isTerminal) return output.err(`${text}\n`);
      output.err(`\r\u001b[K${text}`);
      isOpen = true;
    },
  };
}

function progressText({ phase, done, total, bytes, bytesTotal }: MirrorProgress): string {
  const files = `${phase} ${String(done)}/${String(total)}`;
  if (phase !== 'fetching' || bytesTotal === 0) return files;
  return `${files}, ${mebibytes(bytes)} of ${mebibytes(bytesTotal)} MiB`;
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}
