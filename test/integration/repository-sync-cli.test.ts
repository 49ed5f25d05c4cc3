/** `autobuilder sync`, health and metrics of live targets, as people and monitors use them. */
import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../shared/process/run.ts';
import { buildHealthServer } from '../../services/repository/health.ts';
import { placesOf } from '../../services/repository/places.ts';
import { lockTarget } from '../../services/repository/sync/rqp.ts';
import type { TargetStatus } from '../../services/repository/sync/status.ts';
import { targetsOf } from '../../services/repository/sync/targets.ts';
import { waitFor } from '../support/wait.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const CHECKOUT = path.resolve(import.meta.dirname, '../..');
const IN_THE_WAY = '/dev/null/live';
const repository = await openTestRepository({
  repository: {
    targets: [
      { path: '/tmp/replaced-below', name: 'good' },
      { path: IN_THE_WAY, name: 'bad', queues: ['devel'], required: false },
    ],
  },
});
const places = placesOf(repository.home, 'devel', 'bookworm');
const good = path.join(repository.home.root, 'good');

beforeAll(async () => {
  const file = path.join(repository.home.root, 'autobuilder.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace('/tmp/replaced-below', good));
  await repository.sweep();
  await handOver(repository, await makeSet(repository, { source: 'hello' }));
  await repository.sweep();
});
afterAll(() => repository.dispose());

async function cli(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const argv = [path.join(CHECKOUT, 'bin/autobuilder'), 'sync', ...args] as const;
  const result = await run(argv, { env: repository.env, cwd: '/' });
  return { code: result.code, out: result.stdout.toString(), err: result.stderr.toString() };
}

async function status(...args: string[]): Promise<TargetStatus[]> {
  return JSON.parse((await cli('status', '--json', ...args)).out) as TargetStatus[];
}

test('before the first sync every target is new, and that is no failure', async () => {
  const { code, out } = await cli('status');
  expect(code).toBe(0);
  expect(out).toMatch(/^good +devel +bookworm +new +none\/2/m);
  expect(await status()).toHaveLength(4); // three queues, and devel alone for the bad one
});

test('sync now works without the service, says what fails and why, and its exit code tells', async () => {
  const { code, out } = await cli('now');
  expect(code).toBe(1);
  expect(out).toMatch(/^good +devel +bookworm +ok +2\/2/m);
  expect(out).toMatch(/^bad +devel .* unreachable, asked .*\/dev\/null\/live cannot be made/m);
  const [bad] = (await status()).filter((row) => row.target === 'bad');
  expect(bad).toMatchObject({ errorCode: 'target-unreachable', failures: 1, generation: null });
  expect(Date.parse(String(bad?.failingSince))).toBeLessThanOrEqual(Date.now());
  expect((await cli('status')).code).toBe(1);
});

test('sync now of one queue and target repairs what is damaged there, and is well', async () => {
  const deb = path.join(good, 'devel/pool/bookworm/main/h/hello/hello_1.0_amd64.deb');
  const content = await readFile(deb);
  await rm(deb);
  await writeFile(deb, content.fill(0, 100, 200));
  const { mtime, atime } = await stat(path.join(places.pool, 'main/h/hello/hello_1.0_amd64.deb'));
  await utimes(deb, atime, mtime);
  const { code, out } = await cli('now', 'devel', '--target', 'good', '--verify');
  expect([code, out.trim().split('\n')]).toMatchObject([0, { length: 2 }]);
  expect(await readFile(deb)).toEqual(
    await readFile(path.join(places.pool, 'main/h/hello/hello_1.0_amd64.deb')),
  );
});

test.each([
  [['now', 'nothing'], /There is no queue 'nothing'/],
  [['now', '--target', 'nothing'], /There is no target 'nothing'/],
  [['now', 'devel', '--timeout', 'soon'], /--timeout is a number of seconds/],
])('%j says what is wrong', async (args, message) => {
  const { code, err } = await cli(...args);
  expect(code).toBe(1);
  expect(err).toMatch(message);
});

test('sync now beside somebody who holds the target waits for it, or only asks', async () => {
  const file = path.join(repository.home.root, 'autobuilder.yaml');
  const config = JSON.parse(await readFile(file, 'utf8')) as typeof repository;
  const [target] = targetsOf({ ...repository, config: { ...repository.config, ...config } });
  await mkdir(path.join(repository.home.repository, 'sync'), { recursive: true });
  const held = await lockTarget(repository, { ...target!, name: 'good' });
  const asked = await cli('now', 'stable', '--target', 'good', '--no-wait');
  expect(asked.code).toBe(0);
  expect(asked.out).toMatch(/ok, asked/);
  const late = await cli('now', 'stable', '--target', 'good', '--timeout', '1');
  expect([late.code, late.err]).toEqual([
    1,
    expect.stringContaining('Not done after 1 s: good stable/bookworm'),
  ]);
  await held?.release();
  expect((await cli('now', 'stable', '--target', 'good')).code).toBe(0);
});

function at(target: string, queue: string): string {
  return `{target="${target}",queue="${queue}",product="bookworm"}`;
}

test('health names the target that fails and stays well; metrics have each target', async () => {
  const server = buildHealthServer(repository);
  const health = await server.inject('/healthz');
  expect(health.statusCode).toBe(200);
  expect(health.json()).toMatchObject({ status: 'ok', targets: [{ target: 'bad', health: 'unreachable' }] });
  const metrics = await waitFor('metrics', async () => (await server.inject('/metrics')).body);
  expect(metrics).toContain(`autobuilder_repository_target_behind_generations${at('good', 'devel')} 0`);
  expect(metrics).toContain(`autobuilder_repository_target_behind_generations${at('bad', 'devel')} 2`);
  expect(metrics).toMatch(/target_failures\{target="bad",queue="devel",product="bookworm"\} [1-9]/);
  await server.close();
});
