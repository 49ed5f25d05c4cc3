import { expect, test } from 'vitest';
import { createSlots } from './slots.ts';

test('no more than so many run at once, and all run, also after one that throws', async () => {
  const slots = createSlots(2);
  let running = 0;
  let most = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 7 }, (_, index) =>
      slots(async () => {
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
        if (index === 1) throw new Error('one');
        return index;
      }),
    ),
  );
  expect(most).toBe(2);
  expect(results.map((result) => result.status).filter((status) => status === 'fulfilled')).toHaveLength(6);
});
