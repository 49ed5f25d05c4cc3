/**
 * What makes the new text of an index of the old one, as ed(1) commands from the last line to the first: the form of
 * apt's pdiffs (Acquire::PDiffs in apt.conf(5)). Made of the chunks that changed, so that it costs what changed.
 */
import { compareNames, type Group } from '../chunks/chunked-index.ts';

/** Groups that take the place of others. */
export interface Region {
  /** Of the first of the old lines, from 1; where there are none, of the line that the new ones stand before. */
  line: number;
  /** Both sorted by key. */
  before: readonly Group[];
  after: readonly Group[];
}

interface Hunk {
  line: number;
  /** Old lines that go. */
  count: number;
  /** Whole lines that come. */
  texts: Buffer[];
}

const NEWLINE = 10;
/** A line that ends what is put in; nothing but an ed command could say it, so no patch does. */
const END = Buffer.from('.\n');

/** How many lines a text has; every line ends with its newline. */
export function countLines(text: Uint8Array): number {
  let count = 0;
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/** The script for regions in order; null when it cannot be said so, empty when nothing differs. */
export function editScript(regions: readonly Region[]): Buffer | null {
  const hunks = regions.flatMap((region) => hunksOf(region)).toReversed();
  if (hunks.some((hunk) => hunk.texts.some(hasEndLine))) return null;
  return Buffer.concat(hunks.flatMap((hunk) => commandOf(hunk)));
}

function hunksOf({ line, before, after }: Region): Hunk[] {
  const hunks: Hunk[] = [];
  let next = line;
  const change = (count: number, texts: Buffer[]): void => {
    const last = hunks.at(-1);
    if (last && last.line + last.count === next) {
      last.count += count;
      last.texts.push(...texts);
    } else hunks.push({ line: next, count, texts });
    next += count;
  };
  let at = 0;
  for (const old of before) {
    while (at < after.length && compareNames((after[at] as Group).name, old.name) < 0) {
      change(0, [(after[at] as Group).text]);
      at += 1;
    }
    const lines = countLines(old.text);
    const same = after[at]?.name === old.name ? after[at] : undefined;
    if (same?.text.equals(old.text) === true) next += lines;
    else change(lines, same ? [same.text] : []);
    if (same) at += 1;
  }
  for (const each of after.slice(at)) change(0, [each.text]);
  return hunks;
}

function hasEndLine(text: Buffer): boolean {
  return text.subarray(0, END.length).equals(END) || text.includes('\n.\n');
}

function commandOf({ line, count, texts }: Hunk): Buffer[] {
  const last = line + count - 1;
  const lines = count > 1 ? `${String(line)},${String(last)}` : String(line);
  if (texts.length === 0) return [Buffer.from(`${lines}d\n`)];
  const command = count === 0 ? `${String(line - 1)}a\n` : `${lines}c\n`;
  return [Buffer.from(command), ...texts, END];
}
