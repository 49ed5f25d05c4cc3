import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Extents } from './extents.ts';

const SIZE = 40;
const range = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
const step = fc.oneof(
  range,
  fc.nat(SIZE).map((cut) => ({ cut })),
);

describe('Extents', () => {
  test('says what a set of bytes would say, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const extents = new Extents();
        let bytes = new Set<number>();
        for (const one of steps) {
          if ('cut' in one) {
            extents.cut(one.cut);
            bytes = new Set([...bytes].filter((byte) => byte < one.cut));
          } else {
            extents.add(one.start, one.end);
            for (let byte = one.start; byte < one.end; byte += 1) bytes.add(byte);
          }
          const end = Math.max(-1, ...bytes) + 1;
          const starts = [...bytes].filter((byte) => !bytes.has(byte - 1)).length;
          expect({ end: extents.end, count: extents.count, whole: extents.whole }).toEqual({
            end,
            count: starts,
            whole: bytes.size === end,
          });
        }
      }),
    );
  });
});
