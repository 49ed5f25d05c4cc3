import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { BY_HASH_KEPT_MS, cleanByHash } from '../../services/repository/sync/by-hash.ts';
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

test('InRelease comes last: a sync that is cut off before it leaves clients a whole older state', async () => {
  await createRqp(repository).run();
  const before = await readFile(liveInRelease, 'utf8');
  const dists = path.dirname(liveInRelease);
  await publishOne('ordered');
  await rm(path.join(dists, 'Release'));
  await mkdir(path.join(dists, 'Release/in-the-way'), { recursive: true });
  await createRqp(repository).run();
  expect(await readFile(liveInRelease, 'utf8')).toBe(before);
  const staged = path.join(places.dists, 'main/binary-amd64');
  const byHash = await readdir(path.join(staged, 'by-hash/SHA256'));
  const inLive = await readdir(path.join(dists, 'main/binary-amd64/by-hash/SHA256'));
  expect(inLive).toEqual(expect.arrayContaining(byHash));
  for (const hash of before.matchAll(/^ ([0-9a-f]{64}) +\d+ main\/binary-amd64\/\S+\.[gx]z$/gm)) {
    expect(inLive).toContain(hash[1]);
  }
  await stat(path.join(repository.home.live, 'devel/pool/bookworm/main/o/ordered/ordered_1.0_amd64.deb'));
  await rm(path.join(dists, 'Release'), { recursive: true });
  await createRqp(repository).run();
  expect(await isCurrent()).toBe(true);
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

test('live holds no marker, link or temporary file, and its pool shares its bytes with staging', async () => {
  await createRqp(repository).run();
  const entries = await readdir(repository.home.live, { recursive: true, withFileTypes: true });
  expect(entries.filter((entry) => entry.name.startsWith('.'))).toEqual([]);
  expect(entries.filter((entry) => !entry.isFile() && !entry.isDirectory())).toEqual([]);
  const file = 'main/f/first/first_1.0_amd64.deb';
  const live = await stat(path.join(repository.home.live, 'devel/pool/bookworm', file));
  expect(live.ino).toBe((await stat(path.join(places.pool, file))).ino);
  expect(live.mode & 0o777).toBe(0o644);
});

function at(folder: string): string {
  return path.join(folder, 'main/source/by-hash/SHA256');
}

test('by-hash files stay a day after they went out of use, however old they are', async () => {
  const root = path.join(repository.home.root, 'by-hash');
  const [generation, live] = [path.join(root, 'generation'), path.join(root, 'live')];
  const notes = path.join(root, 'notes.json');
  for (const folder of [generation, live]) {
    await mkdir(at(folder), { recursive: true });
    await writeFile(path.join(at(folder), 'used'), '');
  }
  const old = path.join(at(live), 'old');
  await writeFile(old, '');
  await utimes(old, new Date(0), new Date(0));
  const start = Date.now();
  await cleanByHash(generation, live, notes, new Date(start));
  await cleanByHash(generation, live, notes, new Date(start + BY_HASH_KEPT_MS));
  expect(await readdir(at(live))).toEqual(['old', 'used']);
  await cleanByHash(generation, live, notes, new Date(start + BY_HASH_KEPT_MS + 1));
  expect(await readdir(at(live))).toEqual(['used']);
});
