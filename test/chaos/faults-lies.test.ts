/**
 * A host that lies about what it built: nothing of it is taken, the build is given back and then built by an
 * honest host, once.
 */
import { readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acceptSource, buildOf } from '../integration/dispatch-support.ts';
import { waitFor } from '../support/wait.ts';
import { FAKE_RUNNER, openFaultLine, type FaultLine } from './fault-line.ts';
import { letEnd } from './fault-moments.ts';
import { expectDeliveredOnce, leftOnHosts } from './fault-oracle.ts';

const TIMEOUT_MS = 180_000;
/** What the stand-in for the runner does when the source has this name, and what is said about it. */
const LIES: [source: string, reason: RegExp][] = [
  ['wrong-sum', /sha256/],
  ['sends-link', /not a regular file/],
  ['missing-file', /not there/],
  ['bad-name', /not what a runner writes/],
  ['other-version', /[Vv]ersion/],
  ['other-architecture', /[Aa]rchitecture/],
  ['other-attempt', /another attempt/],
  ['huge-log', /log is longer/],
];
const MAX_LOG_BYTES = 1024 * 1024;

let line: FaultLine;

beforeAll(async () => {
  line = await openFaultLine(2, { runner: FAKE_RUNNER, build: { maxLogBytes: MAX_LOG_BYTES } });
  const [liar, honest] = line.hosts;
  await writeFile(path.join(honest!.workdir, 'honest'), '');
  await line.garage.pool.query(`update hosts set architectures = $1`, [[liar!.architecture]]);
}, TIMEOUT_MS);
afterAll(() => line?.dispose(), TIMEOUT_MS);

/** Only this host gets builds; whatever happened on it before is forgiven. */
async function use(host: number): Promise<void> {
  await line.garage.pool.query(
    `update hosts set status = case when name = $1 then 'active' else 'draining' end, machine_failures = 0`,
    [line.hosts[host]!.name],
  );
}

test('nothing of a liar is taken; an honest host builds it, once', { timeout: TIMEOUT_MS }, async () => {
  const [liar, honest] = line.hosts;
  await use(0);
  const sources = new Map<string, string>();
  for (const [name] of LIES) {
    for (const host of [liar!, honest!]) await letEnd(host, name);
    sources.set(name, await acceptSource(line.garage, name, '1.0', [liar!.architecture]));
  }
  const given = (): Promise<boolean[]> =>
    Promise.all(LIES.map(async ([name]) => (await buildOf(line.garage, sources.get(name)!)).given_back > 0));
  await waitFor(
    'every lie to be told and given back',
    async () => {
      await use(0);
      // What was given back waits meanwhile, so that each lie costs one try.
      await line.garage.pool.query(
        `update builds set not_before = now() + interval '1 hour' where status = 'given-back'`,
      );
      return (await given()).every(Boolean);
    },
    TIMEOUT_MS,
  );
  for (const [name, reason] of LIES) {
    const build = await buildOf(line.garage, sources.get(name)!);
    expect(build).toMatchObject({ status: 'given-back', fail_class: 'machine', given_back: 1 });
    expect(build.fail_reason).toMatch(reason);
    await expectNothingTaken(build.attempts[0]!.directory);
  }
  await use(1);
  await line.garage.pool.query(`update builds set not_before = now()`);
  for (const [name] of LIES) {
    const source = sources.get(name)!;
    await waitFor(
      `${name} to be handed over`,
      async () => (await buildOf(line.garage, source)).status === 'uploaded',
      60_000,
    );
    const build = await expectDeliveredOnce(line, source);
    expect(build.attempts.map((attempt) => attempt.exit_class)).toEqual(['machine', 'success']);
  }
  expect(await leftOnHosts(line)).toEqual([]);
});

/** Only the log is kept, and no more of it than the limit and a little. */
async function expectNothingTaken(directory: string): Promise<void> {
  const folder = path.join(line.garage.home.root, directory);
  const names = await readdir(folder);
  expect(names.filter((name) => !['build.log', 'result.json'].includes(name))).toEqual([]);
  const { size } = await stat(path.join(folder, 'build.log'));
  expect(size).toBeLessThan(3 * MAX_LOG_BYTES);
}
