import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildHealthServer } from '../../services/repository/health.ts';
import { createMirrorRounds } from '../../services/repository/mirror/rounds.ts';
import { requireMirror } from '../../services/repository/mirror/rows.ts';
import { removeMirror } from '../../services/repository/mirror/run.ts';
import { makeKey, MirrorArchive, serveArchive, type ArchiveServer } from '../support/mirror-archive.ts';
import { poolOf } from './mirror-support.ts';
import { commandLine, type Ended } from './repository-command-line.ts';
import { openTestRepository, type TestRepository } from './repository-support.ts';

let repository: TestRepository;
let archive: MirrorArchive;
let server: ArchiveServer;
let keyring: string;

beforeAll(async () => {
  repository = await openTestRepository();
  archive = await MirrorArchive.make(path.join(repository.home.root, 'archive'));
  await archive.add({ name: 'hello' });
  await archive.add({ name: 'other', section: 'games' });
  await archive.publish();
  keyring = path.join(repository.home.root, 'upstream.gpg');
  const other = await makeKey(new Date(Date.now() - 3600_000));
  await writeFile(keyring, Buffer.concat([archive.key.binaryPublic, other.binaryPublic]));
});
afterAll(() => repository.dispose());
beforeEach(async () => {
  server = await serveArchive(archive.root);
});
afterEach(async () => {
  process.exitCode = 0;
  await server.close();
  await removeMirror(repository, 'up', { keepFiles: false }).catch(() => undefined);
});

const mirror = (...args: string[]): Promise<Ended> => commandLine(repository, ['mirror', ...args]);
const add = (...args: string[]): Promise<Ended> =>
  mirror('add', 'up', server.url, 'stable', '--keyring', keyring, ...args);
const json = (ended: Ended): unknown => JSON.parse(ended.out);

describe('autobuilder mirror', () => {
  it('adds, fills, lists, shows, changes and removes', async () => {
    expect(await add()).toMatchObject({ code: 0 });
    expect(json(await mirror('list', '--json'))).toMatchObject([
      { name: 'up', status: 'new', suites: ['stable'] },
    ]);
    const updated = await mirror('update');
    expect(updated).toMatchObject({ code: 0 });
    expect(updated.out).toMatch(/^up: generation 1; fetched 2 files, \d+ bytes; holds 2 files, \d+ bytes\n$/);
    expect(updated.err).toContain('up: fetching');
    const shown = await mirror('show', 'up', '--url', 'http://live.example.org');
    expect(shown.out).toContain('URIs: http://live.example.org/mirror/up\nSuites: stable\n');
    expect(shown.out).toContain(archive.key.fingerprint);
    expect(await mirror('set', 'up', '--section', 'games', '--bandwidth', '5M')).toMatchObject({ code: 0 });
    const again = await mirror('update', '--json');
    expect(again.err).not.toContain('error');
    expect(json(again)).toMatchObject([{ mirror: 'up', files: 1, isChanged: true }]);
    expect((await requireMirror(repository.pool, 'up')).settings.bytesPerSecond).toBe(5 * 1024 ** 2);
    expect(await mirror('set', 'up', '--section', 'all', '--bandwidth', 'none')).toMatchObject({ code: 0 });
    expect((await requireMirror(repository.pool, 'up')).settings).toMatchObject({ filter: { sections: [] } });
    expect(await mirror('remove', 'up')).toMatchObject({ code: 0, out: 'removed up\n' });
    expect((await mirror('list')).out).toContain('There are no mirrors');
  });

  it('says what would be fetched, and fetches nothing', async () => {
    await add();
    const dry = await mirror('update', 'up', '--dry-run');
    expect(dry.out).toMatch(/would fetch 2 files/);
    expect(server.requests.filter((name) => name.endsWith('.deb'))).toEqual([]);
    expect(await requireMirror(repository.pool, 'up')).toMatchObject({ status: 'new' });
  });

  it('keeps the keys that were given, or those of them that were named', async () => {
    const { fingerprint } = archive.key;
    await add('--key', fingerprint.toLowerCase());
    expect((await requireMirror(repository.pool, 'up')).keys.map((key) => key.fingerprint)).toEqual([
      fingerprint,
    ]);
    const unknown = await mirror('set', 'up', '--keyring', keyring, '--key', 'A'.repeat(40));
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.err).toContain(`It has: ${fingerprint}`);
  });

  it('is one at a time: another process is told so', async () => {
    await add();
    server.fail('/dists/stable/InRelease', {
      kind: 'before',
      run: async () => {
        for (const args of [
          ['update', 'up'],
          ['set', 'up', '--source'],
          ['remove', 'up'],
        ]) {
          expect((await mirror(...args)).err).toContain("'up' is being updated already");
        }
        expect(json(await mirror('show', 'up', '--json'))).toMatchObject({ isUpdating: true });
      },
    });
    expect((await mirror('update', 'up')).out).toContain('generation 1');
    process.exitCode = 0;
    expect(json(await mirror('show', 'up', '--json'))).toMatchObject({ isUpdating: false });
  });

  it.each([
    ['no keyring', ['add', 'up', 'http://x.example.org', 'stable'], /keyring/],
    [
      'a password in the address',
      ['add', 'up', 'http://me:secret@x.example.org', 'stable', '--keyring', '/dev/null'],
      /keyring|login/,
    ],
    ['a flat archive', ['add', 'up', 'http://x.example.org', './'], /keyring|suite/],
    ['a bad name', ['add', '../up', 'http://x.example.org', 'stable'], /named like a release/],
    ['an unknown mirror', ['show', 'nothing'], /no mirror 'nothing'/],
  ])('refuses %s', async (_what, args, message) => {
    const ended = await mirror(...args);
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(message);
    expect(ended.err).not.toContain('secret@');
  });

  it('tells by its exit code that an update failed, and goes on with the others', async () => {
    await add();
    await mirror('add', 'second', server.url, 'stable', '--keyring', keyring);
    server.fail('/dists/stable/InRelease', { kind: 'status', status: 403 }, 1);
    const ended = await mirror('update', 'up', 'second');
    expect(process.exitCode).toBe(1);
    expect(ended.err).toContain('up: error: ');
    expect(await poolOf(repository, 'second')).toHaveLength(2);
    process.exitCode = 0;
    await mirror('list');
    expect(process.exitCode).toBe(1);
    await mirror('remove', 'second');
  });
});

const round = async (): Promise<void> => {
  const rounds = createMirrorRounds(repository, new AbortController().signal);
  await rounds.run();
  await rounds.stop();
};

describe('the service', () => {
  it('fills new mirrors, and looks at them again when their schedule says', async () => {
    await add('--schedule', '*/10 * * * *');
    await round();
    const { nextAt, status } = await requireMirror(repository.pool, 'up');
    expect(status).toBe('current');
    expect(nextAt?.getTime()).toBeGreaterThan(Date.now());
    expect(nextAt?.getTime()).toBeLessThanOrEqual(Date.now() + 10 * 60_000);
    server.requests.splice(0);
    await round();
    expect(server.requests).toEqual([]);
    repository.setClock(new Date((nextAt?.getTime() ?? 0) + 1000));
    await round();
    repository.setClock(null);
    expect(server.requests).toContain('/dists/stable/InRelease');
  });

  it('shows in health and metrics what fails, and takes up what was cut off', async () => {
    await add();
    server.fail('/dists/stable/InRelease', { kind: 'status', status: 403 });
    await round();
    const health = buildHealthServer(repository);
    const answer = await health.inject('/healthz');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ mirrors: [{ name: 'up', code: 'mirror-refused' }] });
    const metrics = (await health.inject('/metrics')).body;
    expect(metrics).toContain('autobuilder_repository_mirror_failing{mirror="up"} 1');
    expect(metrics).toContain('autobuilder_repository_mirror_updates_total{mirror="up",result="failed"} 1');
    await health.close();
    server.heal();
    await repository.pool.query(`update mirrors set status = 'updating', next_at = '2100-01-01'`);
    await round();
    expect(await requireMirror(repository.pool, 'up')).toMatchObject({ status: 'current', failures: 0 });
  });
});
