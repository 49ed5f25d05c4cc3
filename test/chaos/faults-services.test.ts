/**
 * kill -9 of garage and of PostgreSQL while builds are in the middle of each stage: whoever starts again goes on
 * where they were. A log neither loses nor doubles a byte.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../support/wait.ts';
import { FAKE_RUNNER, LEASE_S, openFaultLine, type FaultLine } from './fault-line.ts';
import { bringTo, comesThrough, STAGES } from './fault-moments.ts';
import { expectDeliveredOnce, expectWholeLog, leftOnHosts } from './fault-oracle.ts';
import { chosen } from './seeds.ts';

const TIMEOUT_MS = 240_000;

let line: FaultLine;
const FAULTS: [what: string, strike: () => Promise<void>][] = [
  [
    'garage',
    async () => {
      await line.killDispatcher();
      await line.startDispatcher();
    },
  ],
  [
    'garage, away for longer than the lease,',
    async () => {
      await line.killDispatcher();
      const end = Date.now() + (LEASE_S + 1) * 1000;
      await waitFor('the leases to be over', () => Date.now() > end);
      await line.startDispatcher();
    },
  ],
  ['PostgreSQL', () => line.killDatabase()],
  [
    'garage and PostgreSQL',
    async () => {
      await Promise.all([line.killDispatcher(), line.killDatabase()]);
      await line.startDispatcher();
    },
  ],
];

beforeAll(async () => {
  line = await openFaultLine(STAGES.length, { runner: FAKE_RUNNER });
}, TIMEOUT_MS);
afterAll(() => line?.dispose(), TIMEOUT_MS);

test.each(chosen('services', FAULTS))(
  '%s killed in the middle of each stage',
  { timeout: TIMEOUT_MS },
  async (what, strike) => {
    const number = FAULTS.findIndex((each) => each[0] === what);
    const cases = STAGES.map((stage, index) => ({
      ...{ stage, host: line.hosts[index]!, name: `killed-${String(number)}-${stage}` },
    }));
    const sources = await Promise.all(cases.map(({ host, stage, name }) => bringTo(line, host, stage, name)));
    await strike();
    for (const [index, { host, name }] of cases.entries()) {
      const source = sources[index]!;
      await comesThrough(line, host, source, name);
      const build = await expectDeliveredOnce(line, source);
      expect(build.given_back).toBe(0);
      await expectWholeLog(line, host, source);
    }
    expect(await leftOnHosts(line)).toEqual([]);
  },
);
