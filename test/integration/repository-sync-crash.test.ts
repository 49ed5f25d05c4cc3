/** A sync that ends anywhere: live is the old state or the new one, and the next run finishes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publish } from '../../services/repository/generations/publish.ts';
import { withQueueLock } from '../../services/repository/locks.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { readStatus } from '../../services/repository/sync/status.ts';
import { startRsyncDaemon } from '../support/sync-places.ts';
import { isSameRelease, isThere, problemsOfLive } from '../support/whole-live.ts';
import { waitFor } from '../support/wait.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const AT = { queue: 'devel', product: 'bookworm' };
const repository = await openTestRepository();
const places = placesOf(repository.home, 'devel', 'bookworm');
const copied = path.join(repository.home.root, 'copied');
beforeAll(async () => {
  await repository.sweep();
});
afterAll(() => repository.dispose());

async function publishOne(source: string, content = 'same'): Promise<void> {
  await handOver(repository, await makeSet(repository, { source, content }));
  await repository.sweep();
}

/** A generation that changes nothing but its date. */
async function publishSame(): Promise<void> {
  await withQueueLock(repository.pool, { kind: 'publish', ...AT, waitMs: 0 }, (lock) =>
    publish(repository, lock, { ...AT, add: [], remove: [], cause: 'repair', who: null }),
  );
}

async function expectSettled(live: string): Promise<void> {
  expect(await problemsOfLive(live, AT)).toEqual([]);
  expect(await isSameRelease(path.join(live, 'devel/dists/bookworm'), places.dists)).toBe(true);
  const names = await readdir(path.join(live, 'devel'), { recursive: true });
  expect(names.filter((name) => path.basename(name).startsWith('.'))).toEqual([]);
  expect((await readdir(places.root)).filter((name) => name.includes('changed'))).toEqual([]);
  const { rows } = await repository.pool.query(
    `select 1 from generations where queue = 'devel' and status <> 'live'`,
  );
  expect(rows).toEqual([]);
}

describe.each([
  { kind: 'linked', target: { path: repository.home.live, queues: ['devel'] }, live: repository.home.live },
  { kind: 'copied', target: { path: copied, links: false, queues: ['devel'] }, live: copied },
])('a target that is $kind', ({ kind, target, live }) => {
  const config = { ...repository.config, targets: [target] };
  const own = { ...repository, config };

  test('is the old or the new state after a crash at each step, and the next run finishes', async () => {
    const rqp = createRqp(own, { retryFirstMs: 0 });
    await rqp.run();
    await publishOne(`${kind}-steps`);
    repository.passed();
    await rqp.run();
    const steps = [...new Set(repository.passed())];
    expect(steps).toEqual(
      expect.arrayContaining(['sync-checked', 'sync-pool', 'sync-switched', 'synced', 'marked-live']),
    );
    for (const step of steps) {
      // Until the pool is done a file must be new; after that, any generation will do.
      if (steps.indexOf(step) <= steps.indexOf('sync-pool')) await publishOne(`${kind}-${step}`);
      else await publishSame();
      const wasOld = await readFile(path.join(live, 'devel/dists/bookworm/InRelease'), 'utf8');
      repository.passed();
      repository.crashAfter(step);
      await rqp.run();
      // Copies are not switched as a whole, so those who know by-hash are the ones who see no moment between.
      expect([step, await problemsOfLive(live, AT, { isHashedOnly: kind === 'copied' })]).toEqual([step, []]);
      const now = await readFile(path.join(live, 'devel/dists/bookworm/InRelease'), 'utf8');
      expect([wasOld, await readFile(path.join(places.dists, 'InRelease'), 'utf8')]).toContain(now);
      await rqp.run();
      await expectSettled(live);
    }
  });
});

test('kill -9 in the middle of a file: nothing half is seen, nothing goes on behind, and the next start finishes', async () => {
  const daemon = await startRsyncDaemon(path.join(repository.home.root, 'daemon'));
  try {
    const target = { name: 'slow', url: daemon.url, passwordFile: daemon.passwordFile, queues: ['devel'] };
    const own = { ...repository, config: { ...repository.config, targets: [target] } };
    await createRqp(own, { retryFirstMs: 0 }).run();
    const inRelease = path.join(daemon.folder, 'devel/dists/bookworm/InRelease');
    const before = await readFile(inRelease, 'utf8');
    await publishOne('big', randomBytes(1_500_000).toString('base64'));
    const pool = path.join(daemon.folder, 'devel/pool/bookworm/main/b/big');
    const slow = [{ ...target, bandwidthKiB: 64 }];
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'repository-sync-child.ts'), JSON.stringify(slow)],
      { env: repository.env, stdio: ['ignore', 'ignore', 'inherit'], detached: true },
    );
    const parts = async (): Promise<string[]> =>
      (await readdir(pool).catch(() => [])).filter((name) => name.startsWith('.big_'));
    await waitFor('a part of the file', async () => (await parts()).length > 0);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await waitFor('its rsync to end', async () => (await parts()).length === 0);
    expect(await readFile(inRelease, 'utf8')).toBe(before);
    expect(await isThere(path.join(pool, 'big_1.0_amd64.deb'))).toBe(false);
    const rows = (await readStatus(repository.pool)).filter((row) => row.queue === 'devel');
    expect(rows).toMatchObject([{ target: 'slow', health: 'ok', failures: 0 }]);
    await createRqp(own).run();
    await expectSettled(daemon.folder);
  } finally {
    await daemon.stop();
  }
});
