/** What a person gets wrong with `autobuilder mirror`, and what they are told. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { tryLockFile } from '../../shared/files/lock.ts';
import { makeKey } from '../support/mirror-archive.ts';
import { makeDisk } from '../support/sync-places.ts';
import { mirrorPlaces } from '../../services/repository/mirror/places.ts';
import { MirrorBench } from './mirror-support.ts';
import { commandLine, type Ended } from './repository-command-line.ts';

const bench = new MirrorBench();
afterEach(() => {
  process.exitCode = 0;
});

const mirror = (...args: string[]): Promise<Ended> => commandLine(bench.repository, ['mirror', ...args]);
const keyring = (): Promise<string> => bench.archive.keyring(bench.at('upstream.gpg'));
const add = async (url: string, suite: string, ...args: string[]): Promise<Ended> =>
  mirror('add', 'up', url, suite, '--keyring', await keyring(), ...args);

describe('an archive that is not as it was said is not added', () => {
  test.each([
    [
      'its address',
      '/dists/stable',
      'stable',
      [],
      /no dists\/stable\/InRelease.*\nhint: .*with neither dists\/ nor suite/,
    ],
    ['its suite', '', 'bookworm', [], /no dists\/bookworm\/InRelease.*\nhint: Has it the suite 'bookworm'/],
    ['a component', '', 'stable', ['--component', 'contrib'], /no component 'contrib'\nhint: It has: main/],
    ['an architecture', '', 'stable', ['--architecture', 'arm64'], /'arm64'\nhint: It has: amd64 i386/],
  ])('%s', async (_what, below, suite, args, says) => {
    const ended = await add(`${bench.server.url}${below}`, suite, ...args);
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(says);
    expect((await mirror('list')).out).toContain('There are no mirrors');
  });

  test('its key, nor is it taken by a change', async () => {
    const other = bench.at('other.gpg');
    await writeFile(other, (await makeKey(new Date(Date.now() - 3600_000))).binaryPublic);
    const wrong = await mirror('add', 'up', bench.server.url, 'stable', '--keyring', other);
    expect(wrong.err).toMatch(/Signed by unknown key/);
    expect(await add(bench.server.url, 'stable')).toMatchObject({ code: 0 });
    expect((await mirror('set', 'up', '--keyring', other)).err).toMatch(/Signed by unknown key/);
    expect((await bench.mirror()).keys[0]?.fingerprint).toBe(bench.archive.key.fingerprint);
    expect(await mirror('set', 'up', '--keyring', other, '--unchecked')).toMatchObject({ code: 0 });
  });

  test('one that nobody signed', async () => {
    await bench.archive.publish({ signed: 'detached' });
    bench.server.fail('/dists/stable/Release.gpg', { kind: 'status', status: 404 });
    expect((await add(bench.server.url, 'stable')).err).toMatch(/not signed\nhint: Only signed archives/);
  });

  test('one that is away, unless nobody is to be asked', async () => {
    const away = 'http://127.0.0.1:1/debian';
    expect((await add(away, 'stable')).err).toMatch(/cannot be reached: .*\nhint: Is the address right/);
    expect(await add(away, 'stable', '--unchecked')).toMatchObject({ code: 0 });
  });
});

test('what is mistyped is named as it was typed', async () => {
  const url = bench.server.url;
  expect((await add(url, 'stable', '--package', 'a b')).err).toMatch(
    /^error: --package: a pattern of letters/,
  );
  expect((await add(url, 'stable', '--schedule', 'often')).err).toMatch(/^error: --schedule: must be a cron/);
  const unreadable = await mirror('add', 'up', url, 'stable', '--keyring', '/nowhere.gpg');
  expect(unreadable.err).toMatch(/'\/nowhere.gpg' cannot be read: ENOENT.*\nhint: .*\/usr\/share\/keyrings/);
  await add(url, 'stable');
  expect((await mirror('set', 'up')).err).toMatch(/Nothing to change was given/);
});

describe('a filter', () => {
  test('that means nothing does not empty the mirror', async () => {
    await add(bench.server.url, 'stable', '--package', 'hello');
    await mirror('update', 'up');
    await mirror('set', 'up', '--package', 'helo');
    const ended = await mirror('update', 'up');
    expect(ended.err).toMatch(
      /No package of the archive is meant by --package helo\nhint: Change the filter/,
    );
    expect(await bench.pool()).toHaveLength(1);
    expect(await bench.mirror()).toMatchObject({ status: 'failed', errorCode: 'mirror-filter-empty' });
    await mirror('set', 'up', '--package', 'hello', '--section', 'games', '--also', 'hell?');
    expect((await mirror('update', 'up')).out).toContain('; no package is meant by --section games');
    expect((await mirror('show', 'up')).out).toMatch(/^unmet +--section games$/m);
  });
});

test('an update that was cut off is not said to go on', async () => {
  await add(bench.server.url, 'stable');
  await bench.repository.pool.query(`update mirrors set status = 'updating', error = 'of the one before'`);
  expect(JSON.parse((await mirror('list', '--json')).out)).toMatchObject([
    { status: 'interrupted', error: null },
  ]);
  const { lock } = mirrorPlaces(bench.repository, 'up');
  await mkdir(path.dirname(lock), { recursive: true });
  const held = await tryLockFile(lock, 'exclusive');
  expect((await mirror('show', 'up')).out).toMatch(/^status +updating$/m);
  await held?.release();
});

test.runIf(process.getuid?.() === 0)(
  'a mirror on a disk of its own: too small is said, and it can be removed',
  async () => {
    const disk = bench.file('');
    const unmount = await makeDisk(disk, 8 * 1024 ** 2);
    try {
      await add(bench.server.url, 'stable');
      expect((await mirror('update', 'up')).err).toMatch(
        /needs \d+ bytes more and 268435456 to spare; \d{7} are free\nhint/,
      );
      expect(await mirror('remove', 'up')).toMatchObject({ code: 0 });
      expect(await readdir(disk)).toEqual([]);
    } finally {
      await unmount();
    }
  },
);
