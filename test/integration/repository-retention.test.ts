import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Queue } from '../../shared/config/common.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { retainAll, type RetentionReport } from '../../services/repository/upkeep/retention/retention.ts';
import { createUpkeep } from '../../services/repository/upkeep/upkeep.ts';
import { run } from '../../shared/process/run.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  type PackageOptions,
} from './repository-support.ts';

const opened = await openTestRepository();
const keeping = (queue: Queue): Queue => ({ ...queue, retention: { versions: 2, days: 0 } });
const [first, ...others] = opened.common.queues.map(keeping);
const queues: [Queue, ...Queue[]] = [first ?? opened.common.queues[0], ...others];
/** Each of its queues keeps two versions. */
const repository = { ...opened, common: { ...opened.common, queues } };
const at = { queue: 'devel', product: 'bookworm' };

beforeAll(() => opened.sweep());
afterAll(() => opened.dispose());

async function arrive(...sets: PackageOptions[]): Promise<void> {
  for (const options of sets) await handOver(opened, await makeSet(opened, options));
  await sweepQueue(repository, at);
}

async function held(source: string, queue = 'devel'): Promise<string[]> {
  const { rows } = await opened.pool.query<{ held: string }>(
    `select p.name || ' ' || p.version || ' ' || p.architecture as held
       from members m join packages p on p.id = m.package_id
      where m.queue = $1 and p.source = $2 order by p.version, p.architecture`,
    [queue, source],
  );
  return rows.map((row) => row.held);
}

function verdicts(reports: readonly RetentionReport[], source: string): string[] {
  return reports
    .filter((report) => report.queue === 'devel')
    .flatMap((report) => report.verdicts.filter((each) => each.source === source))
    .map((each) => `${each.sourceVersion} ${each.architecture} ${each.leaves ? 'leaves' : each.reason}`);
}

async function newestGeneration(): Promise<unknown> {
  const { rows } = await opened.pool.query<object>(
    `select cause, who, removed from generations where queue = 'devel' order by number desc limit 1`,
  );
  return rows[0];
}

test('old versions stay, apt can install them, and the third leaves as a generation of its own', async () => {
  for (const version of ['1', '2', '3']) await arrive({ source: 'many', version });
  expect(await held('many')).toEqual(
    ['1', '2', '3'].flatMap((version) => [`many ${version} amd64`, `many ${version} source`]),
  );
  const reports = await retainAll(repository, { queue: 'devel' });
  expect(verdicts(reports, 'many')).toEqual([
    ...['2 source of the newest 2', '1 source leaves', '2 amd64 of the newest 2', '1 amd64 leaves'],
  ]);
  expect(await newestGeneration()).toEqual({ cause: 'retention', who: null, removed: 2 });
  expect(await held('many')).toEqual(
    ['2', '3'].flatMap((version) => [`many ${version} amd64`, `many ${version} source`]),
  );
  expect(await retainAll(repository, { queue: 'devel' })).toMatchObject([{ generation: null }]);
  const live = await serveLive(opened);
  await createRqp(opened).run();
  const client = await makeAptClient(opened, live.url, ['devel']);
  expect((await client.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
  const installed = async (what: string): Promise<string> =>
    (await client.apt('apt-get', 'install', '--simulate', what)).stdout.toString();
  expect(await installed('many')).toContain('Inst many (3 ');
  expect(await installed('many=2')).toContain('Inst many (2 ');
  expect((await client.apt('apt-get', 'install', '--simulate', 'many=1')).code).not.toBe(0);
  await live.server.close();
});

const binary = (
  name: string,
  fields: Record<string, string> = {},
): NonNullable<PackageOptions['binaries']> => [{ name, architecture: 'amd64', fields }];

test('what a later queue holds and what others need stays; a dry run changes nothing', async () => {
  await arrive({ source: 'lib', version: '1', binaries: binary('lib', { Provides: 'lib-abi (= 1)' }) });
  await arrive({ source: 'app', version: '1', binaries: binary('app', { Depends: 'lib-abi (= 1)' }) });
  await arrive({ source: 'kept', version: '1' });
  await opened.pool.query(
    `insert into orders (kind, product, source, from_queue, to_queue)
     values ('promote', 'bookworm', 'kept', 'devel', 'testing')`,
  );
  await createQueueProc(repository, () => undefined).run();
  for (const version of ['2', '3']) await arrive({ source: 'lib', version }, { source: 'kept', version });
  const before = await newestGeneration();
  const dry = await retainAll(repository, { dryRun: true });
  expect(await newestGeneration()).toEqual(before);
  const reports = await retainAll(repository);
  expect(verdicts(reports, 'lib')).toEqual(verdicts(dry, 'lib'));
  expect(verdicts(reports, 'lib')).toContain('1 amd64 app 1 on amd64 needs it (lib-abi (= 1))');
  expect(verdicts(reports, 'lib')).toContain('1 source its binaries for amd64 stay');
  expect(verdicts(reports, 'kept')).toContain('1 amd64 testing holds this version');
  expect(await held('lib')).toHaveLength(6);
  await arrive({ source: 'app', version: '2' }, { source: 'app', version: '3' });
  await retainAll(repository);
  expect(await held('lib')).toHaveLength(4);
});

test('a promotion leaves the version before in a queue that keeps two', async () => {
  await opened.pool.query(
    `insert into orders (kind, product, source, source_version, from_queue, to_queue)
     values ('promote', 'bookworm', 'kept', '2', 'devel', 'testing')`,
  );
  await createQueueProc(repository, () => undefined).run();
  expect(await held('kept', 'testing')).toEqual([
    ...['kept 1 amd64', 'kept 1 source', 'kept 2 amd64', 'kept 2 source'],
  ]);
});

test('the service’s upkeep retains and tells rqp; the command explains', async () => {
  for (const version of ['1', '2', '3']) await arrive({ source: 'nightly', version });
  let told = 0;
  await createUpkeep(repository, () => void (told += 1)).run();
  expect(told).toBe(1);
  expect(await held('nightly')).toHaveLength(4);
  const cli = path.resolve(import.meta.dirname, '../../bin/autobuilder.ts');
  const result = await run([process.execPath, cli, 'retention', 'devel', '--dry-run', '--json'], {
    env: opened.env,
  });
  expect(result.stderr.toString()).toBe('');
  // The file of this installation asks for one version, as is the default.
  expect(JSON.parse(result.stdout.toString())).toMatchObject([
    { queue: 'devel', product: 'bookworm', busy: false, generation: null },
  ]);
  const wrong = await run([process.execPath, cli, 'retention', 'gold'], { env: opened.env });
  expect([wrong.code, wrong.stderr.toString()]).toEqual([1, expect.stringContaining("no queue 'gold'")]);
}, 180_000);
