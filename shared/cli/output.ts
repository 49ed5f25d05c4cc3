/** What the commands print: tables and facts for people, one JSON value for programs. */
import { stamp } from './stamp.ts';

/** Where output goes; tests may give their own. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

export const TERMINAL: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

export type Cell = string | number | boolean | Date | string[] | null | undefined;

/** `--json`: one value, with a line end. */
export function printJson(output: Output, value: unknown): void {
  output.out(`${JSON.stringify(value, null, 2)}\n`);
}

/** Rows under their headings; `empty` where there are none. */
export function printTable(output: Output, headings: string[], rows: Cell[][], empty: string): void {
  if (rows.length === 0) {
    output.out(`${empty}\n`);
    return;
  }
  const lines = [headings, ...rows.map((row) => row.map(cellText))];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  for (const line of lines) {
    const padded = line.map((text, column) => text.padEnd(widths[column] ?? 0));
    output.out(`${padded.join('  ').trimEnd()}\n`);
  }
}

/** One fact a line; empty ones are left out. */
export function printFacts(output: Output, facts: Record<string, Cell>): void {
  const shown = Object.entries(facts).filter(([, value]) => cellText(value) !== '');
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  for (const [name, value] of shown) output.out(`${name.padEnd(width)}  ${cellText(value)}\n`);
}

/** Names come from uploaders: no control character of theirs reaches a terminal. */
export function cellText(value: Cell): string {
  if (value === null || value === undefined || value === false) return '';
  if (value === true) return 'yes';
  const text = value instanceof Date ? stamp(value) : Array.isArray(value) ? value.join(' ') : String(value);
  return text.replaceAll(/\p{Cc}+/gu, '?');
}
