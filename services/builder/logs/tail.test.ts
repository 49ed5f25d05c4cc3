import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Tail } from './tail.ts';

test('the tail is the end of what came, in whatever pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 30, unit: 'binary-ascii' })), (pieces) => {
      const tail = new Tail(20);
      for (const piece of pieces) tail.push(Buffer.from(piece));
      expect(tail.toString()).toBe(pieces.join('').slice(-20));
      expect(tail.toString()).toBe(pieces.join('').slice(-20));
    }),
  );
});
