/**
 * `kill -9` of a real process after each single step of everything the repository does: what is published is the
 * old state or the new one, in staging and in live, and what was begun is finished in the end. Each process finds
 * what the one before it left when it was killed, so a kill while recovering from a kill is walked too.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CRASH_ACTIONS, type CrashAction } from './crash-actions.ts';
import { ACTS } from './crash-acts.ts';
import type { Order } from './crash-child.ts';
import { publishedState } from './published-state.ts';
import { openTestRepository } from './repository-support.ts';

const NODE = path.resolve(import.meta.dirname, '../../node_modules/.bin/node');
/** A dozen processes, each of which opens everything. */
const TIMEOUT_MS = 300_000;
const CHILD = path.join(import.meta.dirname, 'crash-child.ts');

const repository = await openTestRepository({ repository: { snapshots: { keep: 2 } } });
const { home } = repository;
const keyring = path.join(home.staging, 'archive-key.gpg');

/** Two publishes in one second would have to wait for the clock. */
let clockMs = Date.now();
const tick = (): number => {
  clockMs += 5_000;
  repository.setClock(new Date(clockMs));
  return clockMs;
};

/** The next process opens everything while the one before works. */
let spare = startChild();
afterAll(async () => {
  (await spare).kill('SIGKILL');
  await repository.dispose();
});

async function startChild(): Promise<ChildProcess> {
  const env = { ...repository.env, NODE_COMPILE_CACHE: path.join(home.root, 'compiled') };
  const child = fork(CHILD, { execPath: NODE, env, execArgv: [] });
  await once(child, 'message');
  return child;
}

/** Runs the action in a process that dies after the step; false when it never came to it. */
async function killAfter(action: CrashAction, step: string): Promise<boolean> {
  const child = await spare;
  spare = startChild();
  const ended = once(child, 'exit');
  const order: Order = { act: action.act, killAfter: step, clockMs: tick() };
  child.send(order);
  const [code, signal] = (await ended) as [number | null, string | null];
  if (signal === 'SIGKILL') return true;
  expect([code, signal]).toEqual([0, null]);
  return false;
}

async function statesOf(queue: string): Promise<(string | null)[]> {
  return Promise.all(
    [home.staging, home.live].map((root) => publishedState(path.join(root, queue), keyring)),
  );
}

async function prepare(action: CrashAction, tag: string): Promise<() => Promise<void>> {
  tick();
  const expectDone = await action.prepare(repository, tag);
  if (action.act !== 'sync') await ACTS.sync(repository);
  repository.passed();
  return expectDone;
}

/** As the service would: what was asked for, then what is left of the queue. */
async function finish(action: CrashAction): Promise<void> {
  tick();
  await ACTS[action.act](repository);
  if (action.act === 'carryOut') await ACTS.sweepTesting(repository);
}

await repository.sweep();
await ACTS.sync(repository);

/** Something to do, what was to be seen before, and what was seen after each kill. */
interface Walk {
  expectDone: () => Promise<void>;
  seen: (string | null)[][];
}

async function begin(action: CrashAction, tag: string): Promise<Walk> {
  const expectDone = await prepare(action, tag);
  return { expectDone, seen: [await statesOf(action.queue)] };
}

/** Finishes it; nothing but the first state and the last was ever to be seen. */
async function end(action: CrashAction, { expectDone, seen }: Walk): Promise<void> {
  await finish(action);
  await expectDone();
  const [first, last] = [seen[0], await statesOf(action.queue)];
  for (const [staging, live] of seen) {
    expect([first?.[0], last[0]]).toContain(staging);
    expect([first?.[1], last[1]]).toContain(live);
  }
}

describe.each(CRASH_ACTIONS)('$name', (action) => {
  test(
    'is finished, whatever it is killed after',
    async () => {
      await end(action, await begin(action, 'recorded'));
      const steps = [...new Set(repository.passed())];
      expect(steps.length).toBeGreaterThan(1);
      let walk = await begin(action, 'walked');
      for (const step of steps) {
        if (!(await killAfter(action, step))) {
          // What the kills before left was past this step already.
          await end(action, walk);
          walk = await begin(action, step);
          if (!(await killAfter(action, step))) throw new Error(`${step} was not passed again`);
        }
        walk.seen.push(await statesOf(action.queue));
      }
      await end(action, walk);
    },
    TIMEOUT_MS,
  );
});
