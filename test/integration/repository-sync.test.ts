import { lstat, mkdir, readdir, readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { cleanTarget } from '../../services/repository/sync/clean.ts';
import type { SyncJob } from '../../services/repository/sync/job.ts';
import { storeOf } from '../../services/repository/sync/stores/store.ts';
import { targetsOf } from '../../services/repository/sync/targets.ts';
import { clearMarker, seeMarker, touchMarker } from '../../services/repository/sync/marker.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const repository = await openTestRepository();
const places = placesOf(repository.home, 'devel', 'bookworm');
const liveInRelease = path.join(repository.home.live, 'devel/dists/bookworm/InRelease');

beforeAll(async () => {
  await repository.sweep();
  await createRqp(repository).run();
});
afterAll(() => repository.dispose());

async function publishOne(source: string): Promise<void> {
  await handOver(repository, await makeSet(repository, { source }));
  await repository.sweep();
}

async function isCurrent(inRelease = liveInRelease): Promise<boolean> {
  const [live, staged] = await Promise.all([
    readFile(inRelease, 'utf8').catch(() => ''),
    readFile(path.join(places.dists, 'InRelease'), 'utf8'),
  ]);
  return live === staged;
}

describe('the marker', () => {
  const marker = path.join(repository.home.root, '.marker');
  beforeEach(() => touchMarker(marker, 1));

  test('goes when nobody touched it', async () => {
    expect(await clearMarker(marker, await seeMarker(marker))).toBe(true);
    expect(await seeMarker(marker)).toBeNull();
  });

  test('stays when it was touched since, by a publisher or by touch(1)', async () => {
    const seen = await seeMarker(marker);
    await touchMarker(marker, 2);
    expect(await clearMarker(marker, seen)).toBe(false);
    const again = await seeMarker(marker);
    expect(again).not.toBeNull();
    await utimes(marker, new Date(), new Date(Date.now() + 5_000));
    expect(await clearMarker(marker, again)).toBe(false);
    expect(await seeMarker(marker)).not.toBeNull();
  });

  test('stays when it came while a sync without one was under way', async () => {
    expect(await clearMarker(marker, null)).toBe(false);
    expect(await seeMarker(marker)).not.toBeNull();
  });

  test('a removal that was cut off counts as a touch', async () => {
    const seen = await seeMarker(marker);
    await writeFile(`${marker}.taken`, await readFile(marker));
    await rm(marker);
    expect(await seeMarker(marker)).not.toBeNull();
    expect(await clearMarker(marker, seen)).toBe(false);
  });
});

test('a marker touched by hand makes a sync that repairs live', async () => {
  await rm(liveInRelease);
  await writeFile(places.marker, '');
  await createRqp(repository).run();
  expect(await isCurrent()).toBe(true);
  expect(await seeMarker(places.marker)).toBeNull();
});

test('a generation published while a sync runs is not lost', async () => {
  await publishOne('first');
  let isPublished = false;
  const during = {
    ...repository,
    step: async (name: string) => {
      if (name !== 'synced' || isPublished) return;
      isPublished = true;
      await publishOne('second');
    },
  };
  await createRqp(during).run();
  expect(await isCurrent()).toBe(false);
  expect(await seeMarker(places.marker)).not.toBeNull();
  const { rows } = await repository.pool.query(
    `select count(*)::int as count from generations where queue = 'devel' and status = 'staged'`,
  );
  expect(rows).toEqual([{ count: 1 }]);
  await createRqp(repository).run();
  expect(await isCurrent()).toBe(true);
  expect(await seeMarker(places.marker)).toBeNull();
});

test('a touch by hand while a sync runs is not lost: all files are looked at afterwards', async () => {
  await createRqp(repository).run();
  const key = path.join(repository.home.live, 'devel/archive-key.asc');
  let isTouched = false;
  const during = {
    ...repository,
    step: async (name: string) => {
      if (name !== 'synced' || isTouched) return;
      isTouched = true;
      await rm(path.join(repository.home.live, 'devel/dists/bookworm/main/binary-amd64/Packages.xz'));
      await rm(key);
      await utimes(places.marker, new Date(), new Date());
    },
  };
  await publishOne('touched');
  await createRqp(during).run();
  expect(await seeMarker(places.marker)).not.toBeNull();
  await createRqp(repository).run();
  await stat(path.join(repository.home.live, 'devel/dists/bookworm/main/binary-amd64/Packages.xz'));
  await stat(key);
  expect(await seeMarker(places.marker)).toBeNull();
});

test('without a marker, a generation that is not in live is synced all the same', async () => {
  await publishOne('unmarked');
  await rm(places.marker);
  await createRqp(repository).run();
  expect(await isCurrent()).toBe(true);
});

test('a target that is away keeps the marker and does not hold up the other; it is retried', async () => {
  const away = path.join(repository.home.root, 'away');
  const good = path.join(repository.home.root, 'good');
  await writeFile(away, 'a file where a folder should be');
  const config = { ...repository.config, targets: [{ path: away }, { path: good }] };
  const rqp = createRqp({ ...repository, config }, { retryFirstMs: 0 });
  await publishOne('spread');
  await rqp.run();
  expect(await isCurrent(path.join(good, 'devel/dists/bookworm/InRelease'))).toBe(true);
  expect(await seeMarker(places.marker)).not.toBeNull();
  const staged = `select 1 from generations where queue = 'devel' and status = 'staged'`;
  expect((await repository.pool.query(staged)).rows).toHaveLength(1);
  await rm(away);
  await rqp.run();
  expect(await isCurrent(path.join(away, 'devel/dists/bookworm/InRelease'))).toBe(true);
  expect((await repository.pool.query(staged)).rows).toEqual([]);
  expect(await seeMarker(places.marker)).toBeNull();
});

test('without links InRelease comes last: a sync that is cut off before leaves clients a whole older state', async () => {
  const copied = path.join(repository.home.root, 'copied');
  const config = { ...repository.config, targets: [{ path: copied, links: false }] };
  const rqp = createRqp({ ...repository, config }, { retryFirstMs: 0 });
  await rqp.run();
  const dists = path.join(copied, 'devel/dists/bookworm');
  const before = await readFile(path.join(dists, 'InRelease'), 'utf8');
  await publishOne('ordered');
  await rm(path.join(dists, 'Release'));
  await mkdir(path.join(dists, 'Release/in-the-way'), { recursive: true });
  await rqp.run();
  expect(await readFile(path.join(dists, 'InRelease'), 'utf8')).toBe(before);
  const staged = path.join(places.dists, 'main/binary-amd64');
  const byHash = await readdir(path.join(staged, 'by-hash/SHA256'));
  const inLive = await readdir(path.join(dists, 'main/binary-amd64/by-hash/SHA256'));
  expect(inLive).toEqual(expect.arrayContaining(byHash));
  for (const hash of before.matchAll(/^ ([0-9a-f]{64}) +\d+ main\/binary-amd64\/\S+\.[gx]z$/gm)) {
    expect(inLive).toContain(hash[1]);
  }
  await stat(path.join(copied, 'devel/pool/bookworm/main/o/ordered/ordered_1.0_amd64.deb'));
  await rm(path.join(dists, 'Release'), { recursive: true });
  await rqp.run();
  expect(await isCurrent(path.join(dists, 'InRelease'))).toBe(true);
  await createRqp(repository).run();
});

test('after a failure it waits before it tries again', async () => {
  const away = path.join(repository.home.root, 'still-away');
  await writeFile(away, '');
  const config = { ...repository.config, targets: [{ path: away }] };
  const rqp = createRqp({ ...repository, config }, { retryFirstMs: 60_000 });
  await publishOne('waits');
  await rqp.run();
  await rm(away);
  await rqp.run();
  await expect(stat(away)).rejects.toThrow('ENOENT');
});

test('live holds no marker or temporary file, links only in known places, and its pool shares its bytes with staging', async () => {
  await createRqp(repository).run();
  const entries = await readdir(repository.home.live, { recursive: true, withFileTypes: true });
  expect(entries.filter((entry) => entry.name.startsWith('.'))).toEqual([]);
  const odd = entries
    .filter((entry) => !entry.isFile() && !entry.isDirectory())
    .map((entry) => path.relative(repository.home.live, path.join(entry.parentPath, entry.name)));
  const known = [
    /^[a-z]+\/dists\/bookworm$/,
    /^[a-z]+\/generations\/bookworm\/\d+\/.*\/by-hash$/,
    /^[a-z]+\/snapshot\/\w+\/(pool|dists\/bookworm)$/,
  ];
  expect(odd.filter((link) => !known.some((pattern) => pattern.test(link)))).toEqual([]);
  for (const link of odd) await stat(path.join(repository.home.live, link));
  const file = 'main/f/first/first_1.0_amd64.deb';
  const live = await stat(path.join(repository.home.live, 'devel/pool/bookworm', file));
  expect(live.ino).toBe((await stat(path.join(places.pool, file))).ino);
  expect(live.mode & 0o777).toBe(0o644);
});

const DAY_MS = 24 * 3600_000;

function at(folder: string): string {
  return path.join(folder, 'main/source/by-hash/SHA256');
}

/** One generation, a target that is a folder, and a look for what is gone there. */
function cleaning(name: string): {
  generation: string;
  common: string;
  pool: string;
  livePool: string;
  clean: (nowMs: number) => Promise<number>;
} {
  const root = path.join(repository.home.root, name);
  const staging = path.join(root, 'staging');
  const live = path.join(root, 'live');
  const queue = path.join(staging, 'devel');
  const config = { ...repository.config, targets: [{ path: live }] };
  const [target] = targetsOf({ ...repository, config });
  const generations = path.join(queue, 'generations/bookworm');
  const job: SyncJob = {
    ...{ queue: 'devel', product: 'bookworm', mode: 'changed', staging, root: queue, number: 1, before: 1 },
    ...{ pool: path.join(queue, 'pool/bookworm'), generation: path.join(generations, '1'), generations },
    ...{ poolFiles: [], step: () => Promise.resolve() },
  };
  return {
    ...{ generation: job.generation, pool: job.pool },
    common: path.join(live, 'devel/generations/bookworm/common'),
    livePool: path.join(live, 'devel/pool/bookworm'),
    clean: (nowMs) =>
      cleanTarget(repository.pool, storeOf(target!), job, path.join(root, 'notes.json'), {
        ...{ now: new Date(nowMs), byHashKeptMs: DAY_MS, poolKeptMs: 2 * DAY_MS },
      }),
  };
}

test('by-hash files stay a day after they went out of use, however old they are', async () => {
  const { generation, common: live, clean } = cleaning('by-hash');
  for (const folder of [generation, live]) {
    await mkdir(at(folder), { recursive: true });
    await writeFile(path.join(at(folder), 'used'), '');
  }
  const old = path.join(at(live), 'old');
  await writeFile(old, '');
  await utimes(old, new Date(0), new Date(0));
  const start = Date.now();
  await clean(start);
  await clean(start + DAY_MS);
  expect(await readdir(at(live))).toEqual(['old', 'used']);
  await clean(start + DAY_MS + 1);
  expect(await readdir(at(live))).toEqual(['used']);
});

test('pool files that are gone from staging stay for the grace time, and are kept when they come back', async () => {
  const { pool, livePool, clean } = cleaning('pool-gone');
  for (const folder of [pool, livePool]) await mkdir(folder, { recursive: true });
  await writeFile(path.join(pool, 'stays.deb'), '');
  for (const name of ['stays.deb', 'goes.deb', 'returns.deb']) await writeFile(path.join(livePool, name), '');
  const start = Date.now();
  await clean(start);
  await writeFile(path.join(pool, 'returns.deb'), '');
  await clean(start + 2 * DAY_MS);
  expect(await readdir(livePool)).toEqual(['goes.deb', 'returns.deb', 'stays.deb']);
  expect(await clean(start + 2 * DAY_MS + 1)).toBe(1);
  expect(await readdir(livePool)).toEqual(['returns.deb', 'stays.deb']);
});

test('a file that a queue holds and staging has lost is never removed from live', async () => {
  const { pool, livePool, clean } = cleaning('pool-lost');
  const lost = 'main/f/first/first_1.0_amd64.deb'; // a member of devel
  await mkdir(pool, { recursive: true });
  await mkdir(path.dirname(path.join(livePool, lost)), { recursive: true });
  await writeFile(path.join(livePool, lost), '');
  await expect(clean(Date.now())).rejects.toMatchObject({ code: 'pool-file-missing' });
  await expect(clean(Date.now() + 9 * DAY_MS)).rejects.toMatchObject({ code: 'pool-file-missing' });
  expect(await readdir(path.dirname(path.join(livePool, lost)))).toEqual([path.basename(lost)]);
});

describe('local live', () => {
  test('gets a new key when a publisher touches the marker without a new generation', async () => {
    await createRqp(repository).run();
    const key = path.join(repository.home.staging, 'devel/archive-key.asc');
    const before = await readFile(key, 'utf8');
    await rm(key);
    await writeFile(key, `${before}\nnew`);
    await touchMarker(places.marker, Number(path.basename(await readlink(places.dists))));
    await createRqp(repository).run();
    expect(await readFile(path.join(repository.home.live, 'devel/archive-key.asc'), 'utf8')).toBe(
      `${before}\nnew`,
    );
    expect(await seeMarker(places.marker)).toBeNull();
  });

  test('is switched by one rename: dists is a link to a whole generation, by-hash of older ones stays', async () => {
    await createRqp(repository).run();
    const dists = path.dirname(liveInRelease);
    const before = await readlink(dists);
    const old = await readdir(path.join(dists, 'main/binary-amd64/by-hash/SHA256'));
    await publishOne('switched');
    await createRqp(repository).run();
    expect((await lstat(dists)).isSymbolicLink()).toBe(true);
    expect(await readlink(dists)).not.toBe(before);
    const now = await readdir(path.join(dists, 'main/binary-amd64/by-hash/SHA256'));
    expect(now).toEqual(expect.arrayContaining(old));
    expect(now.length).toBeGreaterThan(old.length);
  });

  test('of an installation that copied indexes is taken over', async () => {
    const root = path.join(repository.home.root, 'taken-over');
    const config = (links: boolean) => ({ ...repository.config, targets: [{ path: root, links }] });
    await createRqp({ ...repository, config: config(false) }).run();
    const dists = path.join(root, 'devel/dists/bookworm');
    expect((await lstat(dists)).isDirectory()).toBe(true);
    await repository.pool.query('delete from sync_states');
    await createRqp({ ...repository, config: config(true) }).run();
    expect((await lstat(dists)).isSymbolicLink()).toBe(true);
    expect(await isCurrent(path.join(dists, 'InRelease'))).toBe(true);
    expect((await readdir(path.dirname(dists))).filter((name) => name.startsWith('.'))).toEqual([]);
    await createRqp(repository).run();
  });
});
