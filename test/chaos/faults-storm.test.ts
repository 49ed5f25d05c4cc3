/**
 * Everything that can break, at random, while a dozen builds are under way: afterwards each was delivered once.
 * The long form takes several seeds (AUTOBUILDER_LONG; AUTOBUILDER_SEED begins elsewhere), the short one a breeze.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acceptSource } from '../integration/dispatch-support.ts';
import { waitFor } from '../support/wait.ts';
import { FAKE_RUNNER, LEASE_S, openFaultLine, type FaultHost, type FaultLine } from './fault-line.ts';
import { comesThrough, letEnd } from './fault-moments.ts';
import { expectDeliveredOnce, leftOnHosts } from './fault-oracle.ts';
import { IS_LONG, random, SEED } from './seeds.ts';

const TIMEOUT_MS = 600_000;
const HOSTS = 3;
const [SEEDS, BUILDS, FAULTS] = IS_LONG ? [8, 12, 12] : [1, 4, 3];
/** So many faults in a row are no reason to give a build up. */
const MAX_GIVEN_BACK = 50;

let line: FaultLine;
beforeAll(async () => {
  line = await openFaultLine(HOSTS, { runner: FAKE_RUNNER, build: { maxGivenBack: MAX_GIVEN_BACK } });
}, TIMEOUT_MS);
afterAll(() => line?.dispose(), TIMEOUT_MS);

async function lasts(milliseconds: number): Promise<void> {
  const end = Date.now() + milliseconds;
  await waitFor('a fault to have lasted', () => Date.now() > end);
}

async function cutFor(host: FaultHost, milliseconds: number): Promise<void> {
  await host.cut();
  await lasts(milliseconds);
  await host.restore();
}

/** Each leaves everything running. */
const STRIKES: ((host: FaultHost, next: () => number) => Promise<void>)[] = [
  (host, next) => cutFor(host, next() * 2_000),
  ...(IS_LONG ? [(host: FaultHost): Promise<void> => cutFor(host, (LEASE_S + 20) * 1000)] : []),
  async (host) => {
    await host.killSshd();
    await host.startSshd();
  },
  async (_, next) => {
    await line.killDispatcher();
    await lasts(next() * 2_000);
    await line.startDispatcher();
  },
  () => line.killDatabase(),
];

const seeds = Array.from({ length: SEEDS }, (_, index) => SEED + index);
test.each(seeds)('seed %i: each build is delivered once', { timeout: TIMEOUT_MS }, async (seed) => {
  const next = random(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)]!;
  const builds = [];
  for (let number = 0; number < BUILDS; number += 1) {
    const [host, name] = [pick(line.hosts), `storm-${String(seed)}-${String(number)}`];
    builds.push({ host, name, source: await acceptSource(line.garage, name, '1.0', [host.architecture]) });
  }
  for (let number = 0; number < FAULTS; number += 1) {
    // Builds end while things break, too.
    const { host, name } = pick(builds);
    await letEnd(host, name);
    await pick(STRIKES)(pick(line.hosts), next);
  }
  await waitFor('PostgreSQL', () => line.garage.pool.query('select 1'));
  for (const { host, name } of builds) await letEnd(host, name);
  for (const { host, name, source } of builds) {
    await comesThrough(line, host, source, name);
    await expectDeliveredOnce(line, source);
  }
  expect(await leftOnHosts(line)).toEqual([]);
});
