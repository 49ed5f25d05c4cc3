import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { removeMirror } from '../../services/repository/mirror/run.ts';
import { makeAptClient } from '../support/apt-client.ts';
import { addMirror, HELLO, LIBHELLO, MirrorBench, mirrorRoot } from './mirror-support.ts';
import { serveLive } from './repository-support.ts';

const HOUR_MS = 3600_000;
const bench = new MirrorBench();

describe('a whole mirror', () => {
  it('has the archive’s own indexes and signatures, byte by byte, and apt reads it over HTTP', async () => {
    await bench.add({ sources: true });
    await bench.update();
    const state = await bench.state();
    for (const name of ['InRelease', 'Release', 'Release.gpg', 'main/binary-amd64/Packages.xz']) {
      const file = `dists/stable/${name}`;
      expect(state[file]).toBe(await readFile(path.join(bench.archive.root, file), 'latin1'));
    }
    expect(await bench.pool()).toEqual([HELLO, 'pool/main/h/hello/hello_1.0.dsc', LIBHELLO].toSorted());
    expect(await bench.mirror()).toMatchObject({ status: 'current', files: 3, error: null, generation: 1 });
    const live = await serveLive(bench.repository);
    const client = await makeAptClient(bench.at('client'), {
      ...{ uri: `${live.url}/mirror/up`, suite: 'stable' },
      keyring: bench.file('mirror-key.gpg'),
    });
    const updated = await client.apt('apt-get', 'update');
    expect(updated.stderr.toString()).toBe('');
    expect(updated.code).toBe(0);
    const fetched = await client.apt('apt-get', 'install', '--download-only', '-y', 'hello');
    expect(fetched.stdout.toString()).toContain('libhello');
    expect(fetched.code).toBe(0);
    await live.server.close();
  });

  it('leaves out what Release lists and nobody mirrors: apt makes do without differences', async () => {
    const differences = { 'main/binary-amd64/Packages.diff/Index': 'SHA256-Current: none' };
    await bench.archive.publish({ extra: differences });
    await bench.add({ sources: true });
    await bench.update();
    const live = await serveLive(bench.repository);
    const client = await makeAptClient(bench.at('differences'), {
      ...{ uri: `${live.url}/mirror/up`, suite: 'stable' },
      keyring: bench.file('mirror-key.gpg'),
    });
    expect((await client.apt('apt-get', 'update')).stderr.toString()).toBe('');
    await bench.archive.add({ name: 'new' });
    await bench.archive.publish({ extra: differences });
    await bench.update();
    expect((await client.apt('apt-get', 'update')).stderr.toString()).toBe('');
    expect((await client.apt('apt-cache', 'show', 'new')).stdout.toString()).toContain('Package: new');
    await live.server.close();
  });

  it('fetches by sums where the archive offers it, and nothing that is there already', async () => {
    await bench.add();
    const first = await bench.update();
    expect(first).toMatchObject({ isChanged: true, fetchedFiles: 2 });
    expect(bench.asked().filter((name) => name.includes('/by-hash/SHA256/'))).toHaveLength(4);
    const again = await bench.update();
    expect(again).toMatchObject({ isChanged: false, fetchedFiles: 0, generation: 1 });
    expect(bench.asked().every((name) => /\/(?:InRelease|Release|Release\.gpg)$/.test(name))).toBe(true);
    await bench.archive.add({ name: 'new' });
    await bench.archive.publish();
    await bench.update();
    expect(bench.asked().filter((name) => name.endsWith('.deb'))).toEqual([
      '/pool/main/n/new/new_1.0_amd64.deb',
    ]);
  });

  it.each([
    ['names, without by-hash', { byHash: false }],
    ['zstd alone', { forms: ['zst'] as const }],
    ['plain alone', { forms: ['plain'] as const }],
    ['a detached signature alone', { signed: 'detached' as const }],
    ['an inline signature alone', { signed: 'inline' as const }],
  ])('works with %s', async (_what, publishing) => {
    await rm(path.join(bench.archive.root, 'dists'), { recursive: true });
    await bench.archive.publish(publishing);
    await bench.add();
    await bench.update();
    expect(await bench.pool()).toEqual([HELLO, LIBHELLO]);
  });

  it('holds several suites, which change together', async () => {
    await bench.archive.publish({ suite: 'stable-updates' });
    await addMirror(
      bench.repository,
      bench.archive,
      bench.server.url,
      {},
      { suites: ['stable', 'stable-updates'] },
    );
    await bench.update();
    const before = await bench.state();
    await bench.archive.add({ name: 'new' });
    await bench.archive.publish();
    await bench.archive.publish({ suite: 'stable-updates', validUntil: new Date(Date.now() - HOUR_MS) });
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-expired' });
    expect(await bench.state()).toEqual(before);
  });

  it('of a folder of this machine needs no server', async () => {
    await addMirror(bench.repository, bench.archive, `file://${bench.archive.root}`);
    await bench.update();
    expect(await bench.pool()).toEqual([HELLO, LIBHELLO]);
    expect(bench.asked()).toEqual([]);
  });

  it('takes further indexes that a pattern means', async () => {
    await bench.archive.publish({
      extra: { 'main/Contents-amd64.gz': 'text', 'main/dep11/icons.tar.gz': 'icons' },
    });
    await bench.add({ indexes: ['*/Contents-*'] });
    await bench.update();
    const files = Object.keys(await bench.state());
    expect(files).toContain('dists/stable/main/Contents-amd64.gz');
    expect(files).not.toContain('dists/stable/main/dep11/icons.tar.gz');
  });

  it('holds the architectures that are asked for', async () => {
    await bench.archive.add({ name: 'foreign', architecture: 'i386' });
    await bench.archive.publish();
    await bench.add({ architectures: ['i386'] });
    await bench.update();
    expect(await bench.pool()).toEqual(['pool/main/f/foreign/foreign_1.0_i386.deb', LIBHELLO]);
    expect(Object.keys(await bench.state()).join()).not.toContain('binary-amd64');
  });
});

describe('the table of files', () => {
  it('can be deleted at any time: nothing is fetched again that is there', async () => {
    await bench.add();
    await bench.update();
    bench.asked();
    await bench.repository.pool.query('delete from mirror_files');
    const report = await bench.update();
    expect(report).toMatchObject({ fetchedFiles: 0, isChanged: false });
    expect(bench.asked().filter((name) => name.endsWith('.deb'))).toEqual([]);
    const { rows } = await bench.repository.pool.query('select 1 from mirror_files');
    expect(rows).toHaveLength(2);
  });

  it('saves reading what did not change; a file that did is read, and fetched again when it is damaged', async () => {
    await bench.add();
    await bench.update();
    const file = bench.file(HELLO);
    const { size } = await stat(file);
    const good = await readFile(file);
    await writeFile(file, Buffer.alloc(size));
    bench.asked();
    expect(await bench.update()).toMatchObject({ fetchedFiles: 1, isChanged: false });
    expect(bench.asked().filter((name) => name.endsWith('.deb'))).toEqual([`/${HELLO}`]);
    expect(await readFile(file)).toEqual(good);
  });

  it('is not believed when every sum is asked for anew', async () => {
    await bench.add();
    await bench.update();
    const file = bench.file(HELLO);
    const { size } = await stat(file);
    await writeFile(file, Buffer.alloc(size)); // and the table says that all is well
    const { mtimeMs } = await stat(file);
    await bench.repository.pool.query('update mirror_files set mtime_ms = $1 where path = $2', [
      mtimeMs,
      HELLO,
    ]);
    expect(await bench.update()).toMatchObject({ fetchedFiles: 0 });
    expect(await bench.update({ isRecheck: true })).toMatchObject({ fetchedFiles: 1 });
  });
});

describe('what is dropped', () => {
  it('stays for a while, with the indexes by their sums, for clients that hold the older ones', async () => {
    await bench.add();
    await bench.update();
    const before = Object.keys(await bench.state());
    await bench.archive.remove('hello_1.0_amd64');
    await bench.archive.add({ name: 'hello', version: '2.0' });
    await bench.archive.publish();
    await bench.update();
    const state = Object.keys(await bench.state());
    const byHash = before.filter((file) => file.includes('/by-hash/') || file.startsWith('pool/'));
    expect(byHash.filter((file) => !state.includes(file))).toEqual([]);
    bench.repository.setClock(new Date(Date.now() + 49 * HOUR_MS));
    expect(await bench.update()).toMatchObject({ removedFiles: 1 });
    const later = Object.keys(await bench.state());
    expect(later).not.toContain(HELLO);
    expect(later).toContain(LIBHELLO);
  });

  it('is not removed when it is used again', async () => {
    await bench.add();
    await bench.update();
    await bench.archive.remove('hello_1.0_amd64');
    await bench.archive.publish();
    await bench.update();
    await bench.archive.add({ name: 'hello', depends: 'libhello' });
    await bench.archive.publish();
    bench.repository.setClock(new Date(Date.now() + 49 * HOUR_MS));
    await bench.update();
    expect(await bench.pool()).toContain(HELLO);
  });

  it('of a mirror is everything', async () => {
    await bench.add();
    await bench.update();
    await removeMirror(bench.repository, 'up', { keepFiles: false });
    await expect(stat(mirrorRoot(bench.repository))).rejects.toThrow('ENOENT');
    expect((await bench.repository.pool.query('select 1 from mirror_files')).rows).toEqual([]);
    await expect(bench.mirror()).rejects.toMatchObject({ code: 'mirror-unknown' });
  });
});

describe('a login', () => {
  it('comes out of a file that not everybody reads', async () => {
    const authFile = path.join(bench.repository.home.root, 'auth');
    await writeFile(authFile, `machine ${bench.server.url}\nlogin me\npassword s3cret\n`, { mode: 0o600 });
    bench.server.requireAuthorization(`Basic ${Buffer.from('me:s3cret').toString('base64')}`);
    await bench.add();
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-refused' });
    await removeMirror(bench.repository, 'up', { keepFiles: false });
    await bench.add({ authFile });
    await bench.update();
    expect(await bench.pool()).toEqual([HELLO, LIBHELLO]);
    await chmod(authFile, 0o644);
    await expect(bench.update()).rejects.toMatchObject({ code: 'mirror-auth-invalid' });
  });
});
