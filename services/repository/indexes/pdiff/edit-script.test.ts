import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { compareNames, type Group } from '../chunks/chunked-index.ts';
import { editScript } from './edit-script.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'autobuilder-pdiff-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** apt's own: what clients apply patches with. */
const RRED = '/usr/lib/apt/methods/rred';

function groups(content: ReadonlyMap<string, number>): Group[] {
  return [...content]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([name, lines]) => ({ name, text: Buffer.from(`Package: ${name}\n${' x\n'.repeat(lines)}\n`) }));
}

const textOf = (all: readonly Group[]): Buffer => Buffer.concat(all.map((group) => group.text));

test("apt's rred makes the new text of the old one and the script", () => {
  const content = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), fc.nat(3));
  fc.assert(
    fc.property(content, content, fc.constantFrom('', 'head\n\n'), (old, now, head) => {
      const [before, after] = [groups(new Map(Object.entries(old))), groups(new Map(Object.entries(now)))];
      const tail = 'Package: z\n\n';
      const script = editScript([{ line: head === '' ? 1 : 3, before, after }]);
      const patch = path.join(folder, 'patch');
      writeFileSync(patch, script!);
      const input = Buffer.concat([Buffer.from(head), textOf(before), Buffer.from(tail)]);
      const made = execFileSync(RRED, ['-f', patch], { input });
      expect(made.toString()).toBe(`${head}${textOf(after).toString()}${tail}`);
    }),
    { numRuns: process.env['AUTOBUILDER_LONG'] ? 500 : 60 },
  );
});

test('says nothing where nothing differs, and gives up on a line that ed takes for the end', () => {
  const same = groups(new Map([['a', 1]]));
  expect(editScript([{ line: 1, before: same, after: same }])).toEqual(Buffer.alloc(0));
  const dot = [{ name: 'a', text: Buffer.from('Package: a\n.\n\n') }];
  expect(editScript([{ line: 1, before: [], after: dot }])).toBeNull();
});
