import type { BuildReading } from '../reading/reading.ts';
import { readingLines } from '../reading/summary.ts';
import { cellText, type Output } from '../../../shared/cli/output.ts';

/** What was read from the newest finished attempt, below its table. */
export function printReading(output: Output, reading: BuildReading): void {
  output.out(`\nRead from attempt ${String(reading.attempt)}:\n`);
  for (const line of readingLines(reading)) output.out(`  ${cellText(line)}\n`);
}
