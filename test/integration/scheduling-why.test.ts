/** "Why is this waiting": one answer for the command line, the API and the page. */
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { timeUntilFree } from '../../services/garage/dispatch/queue-estimate.ts';
import { whyWaiting, type Why } from '../../services/garage/dispatch/why.ts';
import { buildWeb } from '../../services/garage/web/server.ts';
import { run } from '../../shared/process/run.ts';
import { openTestGarage, type TestGarage } from '../support/garage.ts';
import { accept, addHostRow, move, take } from './scheduling-support.ts';

const AUTOBUILDER = path.resolve(import.meta.dirname, '../../bin/autobuilder');
let garage: TestGarage;

beforeEach(async () => {
  garage = await openTestGarage();
});
afterEach(() => garage.dispose());

async function buildId(sourceId: string): Promise<string> {
  const { rows } = await garage.pool.query<{ id: string }>('select id from builds where source_id = $1', [
    sourceId,
  ]);
  return rows[0]!.id;
}

async function why(sourceId: string, admin = true): Promise<Why> {
  return whyWaiting(garage, await buildId(sourceId), { admin });
}

/** A build of the past that took so long. */
async function builtBefore(name: string, version: string, seconds: number): Promise<void> {
  const source = await accept(garage, { name, version });
  await garage.pool.query(`update builds set status = 'installed' where source_id = $1`, [source]);
  await garage.pool.query(
    `insert into attempts (build_id, number, host_id, slot, directory, leased_until, exit_class, started_at, finished_at)
     select b.id, 1, (select min(id) from hosts), 0, 'x', now(), 'success', now() - make_interval(secs => $2), now()
       from builds b where b.source_id = $1`,
    [source, seconds],
  );
}

const secondsFromNow = (at: Date): number => (at.getTime() - Date.now()) / 1000;

test('no host, no feature, hosts that are away: each said, what hosts complain of to admins only', async () => {
  const source = await accept(garage, { name: 'waiting' });
  expect(await why(source)).toMatchObject({ code: 'no-host', says: 'There is no host for amd64.' });
  await addHostRow(garage, { name: 'plain' });
  await garage.pool.query(`update builds set requires = '{kvm,big-memory}'`);
  expect(await why(source)).toMatchObject({
    ...{ code: 'no-feature', says: 'No host for amd64 has the features big-memory, kvm.' },
  });
  await garage.pool.query(
    `update hosts set features = '{kvm,big-memory}', status = 'quarantined', status_reason = 'no route'`,
  );
  expect(await why(source)).toMatchObject({
    ...{ code: 'hosts-away', details: ['plain is quarantined: no route.'], estimate: null },
  });
  expect((await why(source, false)).details).toEqual(['plain is quarantined.']);
  await garage.pool.query(`update hosts set status = 'active', last_error = 'no route'`);
  expect(await why(source)).toMatchObject({ code: 'hosts-away' });
});

test('a mirror that its product names and that is not there', async () => {
  const source = await accept(garage, { name: 'waiting' });
  garage.common.products[0]!.sources = [{ mirror: 'up' }];
  const says = "Product 'bookworm' is built from a mirror that cannot be had yet.";
  expect(await why(source, false)).toMatchObject({ code: 'no-sources', says, details: [] });
  expect((await why(source)).details).toEqual([
    "There is no mirror 'up'; there are none yet.",
    'Add it: autobuilder mirror add up URL SUITE... --keyring FILE.',
  ]);
});

test('a free slot, a queue with an estimate from past builds, and what runs', async () => {
  const host = await addHostRow(garage, { name: 'one', slots: 1 });
  await builtBefore('slow', '1', 600);
  for (const [index, seconds] of [50, 100, 900].entries()) await builtBefore('mine', String(index), seconds);
  const first = await accept(garage, { name: 'slow', version: '2' });
  expect(await why(first)).toMatchObject({ code: 'starting', ahead: 0, estimate: { basis: 'source' } });
  expect(await take(garage, host)).toBe('slow/amd64');
  const running = await why(first);
  expect(running).toMatchObject({ code: 'running', says: 'It is being built on one, stage init.' });
  expect(secondsFromNow(running.estimate!.endsAt)).toBeCloseTo(600, -2);

  const next = await accept(garage, { name: 'mine', version: '9' });
  const last = await accept(garage, { name: 'fresh' });
  expect(await why(next)).toMatchObject({ code: 'queue', says: 'It is next, and waits for a free slot.' });
  const estimated = await why(last);
  expect(estimated).toMatchObject({ code: 'queue', says: '1 build is before it.', ahead: 1 });
  // The median of 50, 100, 600 and 900 is 350: what runs has that left, and one more is before it.
  expect(estimated.estimate?.basis).toBe('product');
  expect(secondsFromNow(estimated.estimate!.startsAt)).toBeCloseTo(700, -2);
  expect(secondsFromNow(estimated.estimate!.endsAt)).toBeCloseTo(1_050, -2);
  const mine = (await why(next)).estimate!;
  expect(mine.endsAt.getTime() - mine.startsAt.getTime()).toBe(100_000);
});

test('when a slot comes free', () => {
  expect(timeUntilFree([], 2, 0, 60)).toBe(0);
  expect(timeUntilFree([10, 40], 2, 0, 60)).toBe(10);
  expect(timeUntilFree([10, 40], 2, 1, 60)).toBe(40);
  expect(timeUntilFree([10, 40], 2, 2, 60)).toBe(70);
  expect(timeUntilFree([10, 40, 50], 2, 5, 60)).toBe(110); // a host that runs more than it may by now
  expect(timeUntilFree([], 0, 0, 60)).toBe(Number.POSITIVE_INFINITY);
});

test('batches, missing dependencies and faults name what they wait for', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  await accept(garage, { name: 'base', version: '2.0', provides: ['libbase-dev'] });
  const user = await accept(garage, { name: 'user', needs: 'libbase-dev' });
  expect(await why(user)).toMatchObject({
    code: 'batch',
    says: 'It needs what comes before it in its batch: base 2.0.',
    details: ['base 2.0 on amd64 is needs-build.'],
  });
  expect(await take(garage, host)).toBe('base/amd64');
  const lonely = await accept(garage, { name: 'lonely' });
  expect(await take(garage, host)).toBe('lonely/amd64');
  await move(garage, lonely, 'building', 'dep-wait');
  await garage.pool.query('update builds set fail_reason = $2 where source_id = $1', [
    ...[lonely, 'Waits for libbase-dev (>= 2), libnone-dev | other'],
  ]);
  expect(await why(lonely)).toMatchObject({
    code: 'dep-wait',
    says: 'It waits for libbase-dev (>= 2), libnone-dev | other, and is tried again by itself when that is published.',
    details: ['libbase-dev is built by base 2.0, which is building.'],
  });
  const unlucky = await accept(garage, { name: 'unlucky' });
  expect(await take(garage, host)).toBe('unlucky/amd64');
  await move(garage, unlucky, 'building', 'given-back');
  expect(await why(unlucky)).toMatchObject({ code: 'backoff' });
  await move(garage, unlucky, 'given-back', 'cancelled');
  expect(await why(unlucky)).toMatchObject({ code: 'over', says: 'It is cancelled and waits for nothing.' });
  const early = await accept(garage, { name: 'early' }, false);
  expect(await why(early)).toMatchObject({ code: 'accepted' });
});

test('the command line and the page say it', async () => {
  const id = await buildId(await accept(garage, { name: 'waiting' }));
  const said = await run([AUTOBUILDER, 'build', 'why', id], { env: garage.env });
  expect(said.stdout.toString('utf8')).toBe('There is no host for amd64.\n');
  await addHostRow(garage, { name: 'one' });
  const json = await run([AUTOBUILDER, 'build', 'why', id, '--json'], { env: garage.env });
  expect(JSON.parse(json.stdout.toString('utf8'))).toMatchObject({ code: 'starting', ahead: 0 });
  const app = await buildWeb(garage);
  try {
    const page = await app.inject({ url: `/builds/${id}` });
    expect(page.body).toContain('Why it waits');
    expect(page.body).toContain('A slot is free; it starts in a moment.');
    expect(page.body).toContain('no build has ended yet');
  } finally {
    await app.close();
  }
});
