/**
 * An error thrown after each single step of everything the repository does: what is published is the old state
 * or the new one, in staging and in live, and the next run ends as one that was never disturbed. The steps are
 * those that an undisturbed run passes, found out by running it.
 */
import { readdir, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { CRASH_ACTIONS, type CrashAction } from './crash-actions.ts';
import { ACTS } from './crash-acts.ts';
import { publishedState } from './published-state.ts';
import { openTestRepository } from './repository-support.ts';

const repository = await openTestRepository({ repository: { snapshots: { keep: 2 } } });
afterAll(() => repository.dispose());
const { home } = repository;
const keyring = path.join(home.staging, 'archive-key.gpg');

/** Two publishes in one second would have to wait for the clock. */
let clockMs = Date.now();
const tick = (): void => repository.setClock(new Date((clockMs += 5_000)));

async function act(action: CrashAction): Promise<void> {
  tick();
  await ACTS[action.act](repository).catch((error: unknown) => {
    if (!String(error).includes('crash after')) throw error;
  });
}

/** As the service would: what people ordered, then what is left of the queue. */
async function actAgain(action: CrashAction): Promise<void> {
  await act(action);
  tick();
  if (action.act === 'carryOut') await ACTS.sweepTesting(repository);
}

async function prepare(action: CrashAction, tag: string): Promise<() => Promise<void>> {
  tick();
  const expectDone = await action.prepare(repository, tag);
  if (action.act !== 'sync') await ACTS.sync(repository);
  repository.passed();
  return expectDone;
}

interface States {
  staging: string | null;
  live: string | null;
}

async function statesOf(queue: string): Promise<States> {
  return {
    staging: await publishedState(path.join(home.staging, queue), keyring),
    live: await publishedState(path.join(home.live, queue), keyring),
  };
}

/** What must hold after every recovery. */
async function expectWhole(queue: string): Promise<void> {
  const places = placesOf(home, queue, 'bookworm');
  const { rows } = await repository.pool.query<{ number: number; status: string }>(
    'select number, status from generations where queue = $1 order by number',
    [queue],
  );
  expect(rows.filter((row) => row.status === 'preparing')).toEqual([]);
  expect(rows.map((row) => row.number)).toEqual(rows.map((_, index) => index + 1));
  expect(path.basename(await readlink(places.dists))).toBe(String(rows.length));
  const folders = (await readdir(places.generations)).map(Number);
  expect(Math.max(...folders)).toBe(rows.length);
}

/** Runs each action once and lists the steps that it passes. */
async function recordSteps(): Promise<{ action: CrashAction; steps: string[] }[]> {
  const recorded = [];
  for (const [index, action] of CRASH_ACTIONS.entries()) {
    const expectDone = await prepare(action, `recorded-${String(index)}`);
    await act(action);
    await expectDone();
    recorded.push({ action, steps: [...new Set(repository.passed())] });
  }
  return recorded;
}

await repository.sweep();
await ACTS.sync(repository);
const recorded = await recordSteps();

describe.each(recorded)('$action.name', ({ action, steps }) => {
  test('has steps to be walked', () => expect(steps.length).toBeGreaterThan(1));

  test.each(steps)('fails after %s', async (step) => {
    const expectDone = await prepare(action, step);
    const before = await statesOf(action.queue);
    repository.crashAfter(step);
    await act(action);
    expect(repository.passed()).toContain(step);
    const broken = await statesOf(action.queue);
    await actAgain(action);
    await expectDone();
    await expectWhole(action.queue);
    const after = await statesOf(action.queue);
    expect([before.staging, after.staging]).toContain(broken.staging);
    expect([before.live, after.live]).toContain(broken.live);
  });
});

test('a marker and a link that are lost, and a generation folder that is gone, come back', async () => {
  const { rows } = await repository.pool.query<{ number: number }>(
    `select max(number) as number from generations where queue = 'stable'`,
  );
  const places = placesOf(repository.home, 'stable', 'bookworm');
  await rm(places.dists);
  await repository.sweep();
  expect(path.basename(await readlink(places.dists))).toBe(String(rows[0]?.number));
  await rm(places.generations, { recursive: true });
  await repository.sweep();
  expect(path.basename(await readlink(places.dists))).toBe(String((rows[0]?.number ?? 0) + 1));
});
