import { expect, test } from 'vitest';
import { coalesce } from './coalesce.ts';

test('many hints during a run make one more run', async () => {
  let runs = 0;
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  const coalesced = coalesce(
    async () => {
      runs += 1;
      if (runs === 1) await gate;
    },
    () => undefined,
  );
  for (let hint = 0; hint < 10; hint += 1) coalesced.wake();
  release();
  await coalesced.run();
  expect(runs).toBe(2);
});

test('a run that throws is told and does not stop the next', async () => {
  const errors: unknown[] = [];
  let runs = 0;
  const coalesced = coalesce(
    async () => {
      runs += 1;
      await Promise.resolve();
      if (runs === 1) throw new Error('first');
    },
    (error) => errors.push(error),
  );
  await coalesced.run();
  await coalesced.run();
  expect(runs).toBe(2);
  expect(errors).toHaveLength(1);
});

test('after stop nothing runs', async () => {
  let runs = 0;
  const coalesced = coalesce(
    async () => {
      runs += 1;
      await Promise.resolve();
    },
    () => undefined,
  );
  await coalesced.stop();
  await coalesced.run();
  expect(runs).toBe(0);
});
