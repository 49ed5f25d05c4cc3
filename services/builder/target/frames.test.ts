import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameDecoder, outputFrame, replyFrame, type Reply } from './frames.ts';

function decode(pieces: Buffer[]): { output: string; replies: Reply[] } {
  const seen = { output: '', replies: [] as Reply[] };
  const take = frameDecoder({
    output: (chunk) => (seen.output += chunk.toString('latin1')),
    reply: (value) => seen.replies.push(value),
  });
  for (const piece of pieces) take(piece);
  return seen;
}

test('however the pipe cuts it, everything arrives in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 })),
      fc.integer({ min: 1, max: 17 }),
      (chunks, step) => {
        const exit: Reply = { kind: 'exit', code: 3, signal: null };
        const stream = Buffer.concat([
          ...chunks.map(outputFrame),
          replyFrame(exit),
          replyFrame({ kind: 'ready' }),
        ]);
        const pieces: Buffer[] = [];
        for (let at = 0; at < stream.length; at += step) pieces.push(stream.subarray(at, at + step));
        const { output, replies } = decode(pieces);
        expect(output).toBe(chunks.map((chunk) => Buffer.from(chunk).toString('latin1')).join(''));
        expect(replies).toEqual([exit, { kind: 'ready' }]);
      },
    ),
  );
});

test('what is not in the form is refused', () => {
  expect(() => decode([Buffer.from('hello world')])).toThrow(/too long/);
  expect(() => decode([Buffer.from([0x78, 0, 0, 0, 0])])).toThrow(/no known kind/);
  const text = Buffer.from('{"kind":"exit","code":"0"}');
  const frame = Buffer.concat([Buffer.from([0x72, 0, 0, 0, text.length]), text]);
  expect(() => decode([frame])).toThrow(/no reply/);
});
