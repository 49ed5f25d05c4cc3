/** The service as a real process: starts alone, is woken, survives kill -9, ends at SIGTERM with 0. */
import { spawn, type ChildProcess } from 'node:child_process';
import { rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { readIndex } from '../support/read-index.ts';
import { waitFor } from '../support/wait.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const MAIN = new URL('../../services/repository/main.ts', import.meta.url).pathname;
const LIVE = new URL('../../services/repository/live/main.ts', import.meta.url).pathname;

const repository = await openTestRepository({
  live: { listen: '127.0.0.1:0' },
  // Only hints and schedules are left.
  repository: { syncSweepS: 3600 },
});
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => repository.dispose());

interface Started {
  child: ChildProcess;
  /** JSON lines so far. */
  lines: Record<string, unknown>[];
  ended: Promise<number | null>;
}

async function start(main: string, until: string): Promise<Started> {
  const child = spawn(process.execPath, [main], { env: repository.env, stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  const lines: Record<string, unknown>[] = [];
  let rest = '';
  child.stderr.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts)
      if (part.startsWith('{')) lines.push(JSON.parse(part) as Record<string, unknown>);
  });
  const { promise: ended, resolve } = Promise.withResolvers<number | null>();
  child.once('close', resolve);
  await waitFor(until, () => lines.some((line) => line['msg'] === until));
  return { child, lines, ended };
}

function addressOf(started: Started): string {
  return String(started.lines.find((line) => 'address' in line)?.['address']);
}

async function isInLive(source: string): Promise<boolean> {
  const packages = path.join(repository.home.live, 'devel/dists/bookworm/main/binary-amd64/Packages.gz');
  return (await readIndex(packages)).includes(`Package: ${source}\n`);
}

test('from nothing to live, over kill -9, to a clean end', async () => {
  const first = await start(MAIN, 'repository ready');
  const live = await start(LIVE, 'live ready');
  expect((await fetch(`${addressOf(first)}/healthz`)).status).toBe(200);
  const inRelease = await waitFor('stable in live', async () => {
    const answer = await fetch(`${addressOf(live)}/stable/dists/bookworm/InRelease`);
    return answer.ok ? answer.text() : null;
  });
  expect(inRelease).toContain('Label: Autobuilder stable');

  await handOver(repository, await makeSet(repository, { source: 'woken' }));
  await waitFor('the set in live by the file event', () => isInLive('woken'));

  const inLive = path.join(repository.home.live, 'stable/dists/bookworm/InRelease');
  await rm(inLive);
  await writeFile(path.join(repository.home.staging, 'stable/.bookworm.changed'), '');
  await waitFor('the sync that a marker touched by hand asks for', () => stat(inLive));

  first.child.kill('SIGKILL');
  await first.ended;
  await handOver(repository, await makeSet(repository, { source: 'meanwhile' }));
  const second = await start(MAIN, 'repository ready');
  await waitFor('the set that came while it was dead', () => isInLive('meanwhile'));

  await repository.pool.query(
    `insert into orders (kind, product, source, from_queue, to_queue)
     values ('promote', 'bookworm', 'woken', 'devel', 'testing')`,
  );
  await repository.pool.query(`select pg_notify('repository_wake', '')`);
  await waitFor('the order done', async () => {
    const { rows } = await repository.pool.query<{ status: string }>('select status from orders');
    return rows[0]?.status === 'done';
  });
  // Counted after the commit that made it `done`.
  await waitFor('the order to be counted', async () => {
    const metrics = await (await fetch(`${addressOf(second)}/metrics`)).text();
    return metrics.includes('autobuilder_repository_orders_total{result="done"} 1');
  });

  second.child.kill('SIGTERM');
  live.child.kill('SIGTERM');
  expect([await second.ended, await live.ended]).toEqual([0, 0]);
});

test('the private key is for the service alone', async () => {
  const keys = path.join(repository.home.repository, 'keys');
  const modes = await Promise.all(
    [keys, path.join(keys, 'archive-private.asc')].map(async (file) => (await stat(file)).mode & 0o777),
  );
  expect(modes).toEqual([0o700, 0o600]);
});
