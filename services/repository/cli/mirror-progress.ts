/** How far an update is, on standard error: one line that changes on a terminal, a line now and then elsewhere. */
import type { Output } from '../../../shared/cli/output.ts';
import { createStatusLine } from '../../../shared/cli/status-line.ts';
import type { MirrorProgress } from '../mirror/update.ts';

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
  const line = createStatusLine(output, isTerminal);
  return {
    end: () => line.end(),
    show: (progress) => {
      const now = Date.now();
      const isNew = progress.phase !== phase;
      if (!isNew && now - shownAtMs < line.intervalMs) return;
      phase = progress.phase;
      shownAtMs = now;
      line.show(`${name}: ${progressText(progress)}`);
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
