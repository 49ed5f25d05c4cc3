import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { followLog, type AttemptState, type LogEvent } from './follow-log.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'follow-log-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Following {
  events: LogEvent[];
  text: () => string;
  /** Ends when the log is over. */
  over: Promise<void>;
  abort: AbortController;
}

function follow(file: string, from: number, now: () => AttemptState): Following {
  const events: LogEvent[] = [];
  const abort = new AbortController();
  const options = { file, from, state: async () => now(), signal: abort.signal, pollMs: 5 };
  const over = (async (): Promise<void> => {
    for await (const event of followLog(options)) events.push(event);
  })();
  const text = (): string => events.map((event) => (event.kind === 'text' ? event.text : '')).join('');
  return { events, text, over, abort };
}

test('sends what is there, what is appended, the stages, the unfinished last line, and ends', async () => {
  const file = path.join(folder, 'grows.log');
  const state = { stage: 'setup', finished: false };
  const following = follow(file, 0, () => state);
  await expect.poll(() => following.events).toContainEqual({ kind: 'stage', stage: 'setup' });
  await writeFile(file, 'first\nsec');
  await expect.poll(following.text).toBe('first\n');
  await appendFile(file, 'ond\n');
  await expect.poll(following.text).toBe('first\nsecond\n');
  await appendFile(file, 'no line end');
  Object.assign(state, { stage: 'done', finished: true });
  await following.over;
  expect(following.text()).toBe('first\nsecond\nno line end');
  expect(following.events.at(-1)).toEqual({ kind: 'end' });
  expect(following.events).toContainEqual({ kind: 'stage', stage: 'done' });
});

test('whoever comes back with the offset of the last event gets the rest, once', async () => {
  const file = path.join(folder, 'long.log');
  const text = Array.from({ length: 30_000 }, (_, n) => `line ${String(n)} é€😀\n`).join('');
  await writeFile(file, text);
  const first = follow(file, 0, () => ({ stage: 'build', finished: false }));
  await expect.poll(() => first.events.length).toBeGreaterThan(3);
  first.abort.abort();
  await first.over;
  // As a browser that lost the connection after the third piece.
  const got = first.events.filter((event) => event.kind === 'text').slice(0, 3);
  const second = follow(file, got.at(-1)?.end ?? 0, () => ({ stage: 'done', finished: true }));
  await second.over;
  expect(got.map((event) => event.text).join('') + second.text()).toBe(text);
});

test('an attempt without a log ends too, and so does an offset beyond the end', async () => {
  const none = follow(path.join(folder, 'none.log'), 0, () => ({ stage: 'done', finished: true }));
  await none.over;
  expect(none.events.at(-1)).toEqual({ kind: 'end' });
  const file = path.join(folder, 'short.log');
  await writeFile(file, 'short\n');
  const beyond = follow(file, 10_000, () => ({ stage: 'done', finished: true }));
  await beyond.over;
  expect(beyond.text()).toBe('');
});
