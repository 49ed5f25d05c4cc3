import { expect, test } from 'vitest';
import { AppError } from '../../../shared/errors/app-error.ts';
import { createThreadPool } from './pool.ts';
import type { Question } from './pool-test-thread.ts';

interface Said {
  said: string;
  /** By the thread that answers. */
  answered: number;
}

function pool(most = 1): (question: Question) => Promise<Said | null> {
  const module = new URL('./pool-test-thread.ts', import.meta.url);
  return createThreadPool<Said>({ module, most, heapMb: 32, timeoutMs: 60_000 });
}

test('a thread stays, and answers in order', async () => {
  const ask = pool();
  const answers = await Promise.all(['a', 'b', 'c'].map((say) => ask({ say })));
  expect(answers).toEqual([
    { said: 'a', answered: 1 },
    { said: 'b', answered: 2 },
    { said: 'c', answered: 3 },
  ]);
});

test('errors cross over with what they are known by, and the thread goes on', async () => {
  const ask = pool();
  const refused = await ask({ refuse: 'not-today' }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(AppError);
  expect(refused).toMatchObject({ code: 'not-today', message: 'so it is' });
  const missing = await ask({ open: '/nowhere/at all' }).catch((error: unknown) => error);
  expect(missing).not.toBeInstanceOf(AppError);
  expect(missing).toMatchObject({ code: 'ENOENT' });
  expect(await ask({ say: 'still there' })).toEqual({ said: 'still there', answered: 1 });
});

test('a thread that ends answers nothing, and another takes its place', async () => {
  const ask = pool();
  expect(await ask({ say: 'first' })).toEqual({ said: 'first', answered: 1 });
  expect(await ask({ end: true })).toBeNull();
  expect(await ask({ say: 'anew' })).toEqual({ said: 'anew', answered: 1 });
});
