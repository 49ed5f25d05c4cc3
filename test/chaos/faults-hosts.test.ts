/**
 * Faults between garage and its hosts, with real sshd in network namespaces: the link is cut while files go
 * to a host, while it builds and while its results come back, for seconds and for longer than the lease; sshd
 * is killed; the host loses power. All at a time, each on a host of its own.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildOf } from '../integration/dispatch-support.ts';
import { waitFor } from '../support/wait.ts';
import { FAKE_RUNNER, openFaultLine, type FaultHost, type FaultLine } from './fault-line.ts';
import { bringTo, comesThrough, fillDisk, STAGES, type FaultStage } from './fault-moments.ts';
import { expectDeliveredOnce, expectWholeLog, leftOnHosts } from './fault-oracle.ts';

/** Twelve hosts at a time on a machine of two cores that does other things as well. */
const TIMEOUT_MS = 240_000;
/** Enough for a sample and its results. */
const DISK_BYTES = 16 * 1024 * 1024;
const HICCUP_MS = 3_000;

interface Fault {
  /** Default: each. */
  stages?: readonly FaultStage[];
  /** How often a build may be given back for it. */
  givenBack: number;
  strike: (host: FaultHost, source: string) => Promise<void>;
}

const FAULTS: Record<string, Fault> = {
  'a link cut for seconds': {
    givenBack: 0,
    strike: async (host) => {
      await host.cut();
      const end = Date.now() + HICCUP_MS;
      await waitFor('seconds to pass', () => Date.now() > end);
      await host.restore();
    },
  },
  'a link cut for longer than the lease': {
    givenBack: 1,
    strike: async (host, source) => {
      await host.cut();
      await waitFor(
        'it to be given back',
        async () => (await buildOf(line.garage, source)).given_back === 1,
        90_000,
      );
      await host.restore();
    },
  },
  'a disk that fills up': {
    // Nothing is written there while results come back.
    stages: ['copy', 'fetch'],
    givenBack: 1,
    strike: async (host, source) => {
      const free = await fillDisk(host, 0);
      await waitFor('it to be noticed or through', async () => {
        const build = await buildOf(line.garage, source);
        return build.given_back === 1 || build.status === 'uploaded';
      }).finally(() => void free());
    },
  },
  'sshd killed with its connections': {
    givenBack: 0,
    strike: async (host) => {
      await host.killSshd();
      await host.startSshd();
    },
  },
};

let line: FaultLine;
const cases = Object.entries(FAULTS).flatMap(([fault, { stages = STAGES }]) =>
  stages.map((stage) => ({ fault, stage })),
);

beforeAll(async () => {
  line = await openFaultLine(cases.length, { runner: FAKE_RUNNER, hosts: { diskBytes: DISK_BYTES } });
}, TIMEOUT_MS);
afterAll(() => line?.dispose(), TIMEOUT_MS);

describe.concurrent('in the middle of each stage', () => {
  test.each(cases)(
    '$fault, in its $stage: delivered once',
    { timeout: TIMEOUT_MS },
    async ({ fault, stage }) => {
      const index = cases.findIndex((each) => each.fault === fault && each.stage === stage);
      const host = line.hosts[index]!;
      const { strike, givenBack } = FAULTS[fault]!;
      const name = `case-${String(index)}-${stage}`;
      const source = await bringTo(line, host, stage, name);
      await strike(host, source);
      await comesThrough(line, host, source, name);
      const build = await expectDeliveredOnce(line, source);
      expect(build.given_back).toBeLessThanOrEqual(givenBack);
      await expectWholeLog(line, host, source);
    },
  );
});

test('afterwards each host builds again, and keeps nothing', { timeout: TIMEOUT_MS }, async () => {
  for (const [index, host] of line.hosts.entries()) {
    // What a lost attempt left on a host is found when garage speaks with it again.
    const name = `again-${String(index)}`;
    const source = await bringTo(line, host, 'build', name);
    await comesThrough(line, host, source, name);
  }
  expect(await leftOnHosts(line)).toEqual([]);
});
