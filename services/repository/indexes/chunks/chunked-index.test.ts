import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  changeChunks,
  compareNames,
  isSegmentStart,
  makeChunks,
  packChunks,
  type Chunk,
  type ChunkRules,
  type Edit,
  type Group,
} from './chunked-index.ts';
import { FORM_NAMES, FORMS } from '../forms/form.ts';
import { compressBlocks, splitStream, streamHeader, streamTail } from './xz.ts';

const stanza = (name: string, version: number): Buffer =>
  Buffer.from(
    `Package: ${name}\nVersion: ${String(version)}\nDescription: é ${'x'.repeat(version % 50)}\n\n`,
  );

function groupsOf(text: Buffer): Group[] {
  return text
    .toString('utf8')
    .split('\n\n')
    .filter(Boolean)
    .map((part) => ({ name: /^Package: (.*)$/m.exec(part)?.[1] ?? '', text: Buffer.from(`${part}\n\n`) }));
}

function sorted(content: ReadonlyMap<string, number>): Group[] {
  return [...content]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([name, version]) => ({ name, text: stanza(name, version) }));
}

const rules: ChunkRules = { keysPerChunk: 128, forms: FORM_NAMES, groupsOf };

const forms = (chunks: readonly Chunk[]): Record<string, Buffer> => ({
  text: Buffer.concat(chunks.map((chunk) => chunk.text)),
  ...Object.fromEntries(
    FORM_NAMES.map((name) => {
      const packed = chunks.map((chunk) => chunk.packed[name]!);
      const sizes = packed.map(({ size }, at) => ({ size, textSize: chunks[at]!.text.length }));
      const { header, tail } = FORMS[name];
      return [name, Buffer.concat([header(), ...packed.map((each) => each.bytes), tail(sizes)])];
    }),
  ),
});

/** As a generation does it: what is new is packed. */
async function changed(
  before: Chunk[],
  edits: ReadonlyMap<string, Edit>,
  own: ChunkRules = rules,
): Promise<Chunk[]> {
  const chunks = await changeChunks(before, edits, own, (chunk) => chunk.text);
  const made = await packChunks(
    chunks.filter((chunk) => !('packed' in chunk)),
    () => rules.forms,
  );
  return chunks.map((chunk) => ('packed' in chunk ? chunk : { ...chunk, packed: made.of(chunk) }));
}
async function allChunks(groups: Group[], own: ChunkRules): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of makeChunks(groups, own)) chunks.push(chunk);
  return chunks;
}

const append = (text: Buffer | null): Buffer =>
  Buffer.concat([text ?? Buffer.alloc(0), Buffer.from('X: y\n\n')]);

describe('xz streams', () => {
  it('put together from blocks are read by xz as one stream', async () => {
    const texts = ['first\n', 'second '.repeat(10_000), 'third\n'].map((text) => Buffer.from(text));
    const blocks = await compressBlocks(texts);
    const stream = Buffer.concat([streamHeader(), ...blocks.map((block) => block.bytes), streamTail(blocks)]);
    expect(execFileSync('xz', ['-dc'], { input: stream }).equals(Buffer.concat(texts))).toBe(true);
    const [, totals] = execFileSync('sh', ['-c', 'f=$(mktemp); cat > $f; xz --robot --list $f; rm $f'], {
      input: stream,
    })
      .toString('utf8')
      .split('\n')
      .map((line) => line.split('\t'));
    expect(totals?.slice(0, 3)).toEqual(['file', '1', '3']);
    expect(splitStream(stream)).toEqual(blocks);
  });

  it('have the same block for the same text, alone or among others', async () => {
    const texts = Array.from({ length: 5 }, (_, at) => Buffer.from(`text ${String(at)} `.repeat(500)));
    const together = await compressBlocks(texts);
    for (const [at, text] of texts.entries()) expect((await compressBlocks([text]))[0]).toEqual(together[at]);
  });

  it('are fine without blocks', () => {
    const stream = Buffer.concat([streamHeader(), streamTail([])]);
    expect(execFileSync('xz', ['-dc'], { input: stream }).length).toBe(0);
  });
});

describe('a chunked index', () => {
  it('compresses only what a change touches', async () => {
    const content = new Map(Array.from({ length: 3_000 }, (_, at) => [`package-${String(at)}`, at]));
    const before = await allChunks(sorted(content), rules);
    expect(before.length).toBeGreaterThan(10);
    const after = await changed(before, new Map([['package-1500', stanza('package-1500', 7)]]));
    expect(after).toHaveLength(before.length);
    expect(after.filter((chunk) => !before.includes(chunk))).toHaveLength(1);
  });

  it('has no chunk that is many times the average', async () => {
    const content = new Map(Array.from({ length: 20_000 }, (_, at) => [`package-${String(at)}`, 1]));
    const chunks = await allChunks(sorted(content), { ...rules, forms: ['gz'] });
    const keys = chunks.map((chunk) => groupsOf(chunk.text).length);
    expect(Math.max(...keys)).toBeLessThan(4 * rules.keysPerChunk);
    expect(20_000 / keys.length).toBeGreaterThan(rules.keysPerChunk / 2);
  });

  it('is what its parts say, in every form', async () => {
    const content = new Map(Array.from({ length: 700 }, (_, at) => [`p${String(at)}`, at]));
    const { text, gz, xz, zstd } = forms(await allChunks(sorted(content), rules));
    expect(gunzipSync(gz!).equals(text!)).toBe(true);
    expect(execFileSync('xz', ['-dc'], { input: xz }).equals(text!)).toBe(true);
    expect(execFileSync('zstd', ['-dc'], { input: zstd }).equals(text!)).toBe(true);
    expect(text!.equals(Buffer.concat(sorted(content).map((group) => group.text)))).toBe(true);
  });

  it('is an empty file of each form without anything in it', async () => {
    const { gz, xz, zstd } = forms(await allChunks([], rules));
    expect(gunzipSync(gz!).length).toBe(0);
    for (const [tool, input] of [
      ['xz', xz],
      ['zstd', zstd],
    ] as const) {
      expect(execFileSync(tool, ['-dc'], { input }).length).toBe(0);
    }
  });

  it('makes of a key what an edit makes of what stands there', async () => {
    const before = await allChunks(
      sorted(
        new Map([
          ['a', 1],
          ['b', 2],
        ]),
      ),
      rules,
    );
    const after = await changed(
      before,
      new Map([
        ['b', append],
        ['c', append],
      ]),
    );
    const text = [stanza('a', 1), stanza('b', 2), 'X: y\n\n', 'X: y\n\n'].join('');
    expect(forms(after)['text']?.toString()).toBe(text);
  });

  it('has the same bytes by any history as made anew', async () => {
    // Names where segments begin are where mistakes would be, so a third of them are; chunks of few names.
    const few = { ...rules, keysPerChunk: 4 };
    const all = Array.from({ length: 2_000 }, (_, at) => `n${at.toString(36)}`);
    const names = [
      ...all.filter((name) => isSegmentStart(name, few.keysPerChunk)).slice(0, 12),
      ...all.filter((name) => !isSegmentStart(name, few.keysPerChunk)).slice(0, 24),
    ];
    const change = fc.record({
      name: fc.constantFrom(...names),
      version: fc.option(fc.integer({ min: 0, max: 99 })),
    });
    const history = fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(fc.subarray(names), history, async (first, steps) => {
        const content = new Map(first.map((name) => [name, 1]));
        let chunks = await allChunks(sorted(content), few);
        for (const step of steps) {
          for (const { name, version } of step) {
            if (version === null) content.delete(name);
            else content.set(name, version);
          }
          const changes = new Map(
            step.map(({ name }) => {
              const version = content.get(name);
              return [name, version === undefined ? null : stanza(name, version)] as const;
            }),
          );
          chunks = await changed(chunks, changes, few);
        }
        const anew = await allChunks(sorted(content), few);
        expect(chunks.map((chunk) => chunk.first)).toEqual(anew.map((chunk) => chunk.first));
        expect(forms(chunks)).toEqual(forms(anew));
      }),
      { numRuns: process.env['AUTOBUILDER_LONG'] ? 400 : 25 },
    );
  });
});
