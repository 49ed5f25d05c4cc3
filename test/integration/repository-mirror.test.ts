import { chmod, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requireMirror } from '../../services/repository/mirror/rows.ts';
import { removeMirror } from '../../services/repository/mirror/run.ts';
import { makeAptClient } from '../support/apt-client.ts';
import { makeKey, MirrorArchive, serveArchive, type ArchiveServer } from '../support/mirror-archive.ts';
import { addMirror, mirrorRoot, poolOf, stateOf, update } from './mirror-support.ts';
import { openTestRepository, serveLive, type TestRepository } from './repository-support.ts';

let repository: TestRepository;
let prototype: MirrorArchive;
let archive: MirrorArchive;
let server: ArchiveServer;
let count = 0;
const HOUR_MS = 3600_000;

beforeAll(async () => {
  repository = await openTestRepository();
  prototype = await MirrorArchive.make(path.join(repository.home.root, 'prototype'));
  await prototype.add({ name: 'hello', depends: 'libhello' });
  await prototype.add({ name: 'libhello', architecture: 'all' });
  await prototype.addSource('hello');
  await prototype.publish();
});
afterAll(() => repository.dispose());

beforeEach(async () => {
  count += 1;
  archive = await prototype.copy(path.join(repository.home.root, `archive-${String(count)}`));
  server = await serveArchive(archive.root);
});
afterEach(async () => {
  repository.setClock(null);
  await removeMirror(repository, 'up', { keepFiles: false }).catch(() => undefined);
  await server.close();
});

const add = (settings: Parameters<typeof addMirror>[3] = {}): Promise<void> =>
  addMirror(repository, archive, server.url, settings);
const mirror = () => requireMirror(repository.pool, 'up');
const HELLO = 'pool/main/h/hello/hello_1.0_amd64.deb';
const LIBHELLO = 'pool/main/l/libhello/libhello_1.0_all.deb';

/** Requests since the last call. */
function asked(): string[] {
  return server.requests.splice(0);
}

describe('a whole mirror', () => {
  it('has the archive’s own indexes and signatures, byte by byte, and apt reads it over HTTP', async () => {
    await add({ sources: true });
    await update(repository);
    const state = await stateOf(repository);
    for (const name of ['InRelease', 'Release', 'Release.gpg', 'main/binary-amd64/Packages.xz']) {
      const file = `dists/stable/${name}`;
      expect(state[file]).toBe(await readFile(path.join(archive.root, file), 'latin1'));
    }
    expect(await poolOf(repository)).toEqual([HELLO, 'pool/main/h/hello/hello_1.0.dsc', LIBHELLO].toSorted());
    expect(await mirror()).toMatchObject({ status: 'current', files: 3, error: null, generation: 1 });
    const live = await serveLive(repository);
    const client = await makeAptClient(path.join(repository.home.root, `client-${String(count)}`), {
      ...{ uri: `${live.url}/mirror/up`, suite: 'stable' },
      keyring: path.join(mirrorRoot(repository), 'mirror-key.gpg'),
    });
    const updated = await client.apt('apt-get', 'update');
    expect(updated.stderr.toString()).toBe('');
    expect(updated.code).toBe(0);
    const fetched = await client.apt('apt-get', 'install', '--download-only', '-y', 'hello');
    expect(fetched.stdout.toString()).toContain('libhello');
    expect(fetched.code).toBe(0);
    await live.server.close();
  });

  it('fetches by sums where the archive offers it, and nothing that is there already', async () => {
    await add();
    const first = await update(repository);
    expect(first).toMatchObject({ isChanged: true, fetchedFiles: 2 });
    expect(asked().filter((name) => name.includes('/by-hash/SHA256/'))).toHaveLength(4);
    const again = await update(repository);
    expect(again).toMatchObject({ isChanged: false, fetchedFiles: 0, generation: 1 });
    expect(asked().every((name) => /\/(?:InRelease|Release|Release\.gpg)$/.test(name))).toBe(true);
    await archive.add({ name: 'new' });
    await archive.publish();
    await update(repository);
    expect(asked().filter((name) => name.endsWith('.deb'))).toEqual(['/pool/main/n/new/new_1.0_amd64.deb']);
  });

  it.each([
    ['names, without by-hash', { byHash: false }],
    ['zstd alone', { forms: ['zst'] as const }],
    ['plain alone', { forms: ['plain'] as const }],
    ['a detached signature alone', { signed: 'detached' as const }],
    ['an inline signature alone', { signed: 'inline' as const }],
  ])('works with %s', async (_what, publishing) => {
    await rm(path.join(archive.root, 'dists'), { recursive: true });
    await archive.publish(publishing);
    await add();
    await update(repository);
    expect(await poolOf(repository)).toEqual([HELLO, LIBHELLO]);
  });

  it('holds several suites, which change together', async () => {
    await archive.publish({ suite: 'stable-updates' });
    await addMirror(repository, archive, server.url, {}, { suites: ['stable', 'stable-updates'] });
    await update(repository);
    const before = await stateOf(repository);
    await archive.add({ name: 'new' });
    await archive.publish();
    await archive.publish({ suite: 'stable-updates', validUntil: new Date(Date.now() - HOUR_MS) });
    await expect(update(repository)).rejects.toMatchObject({ code: 'mirror-expired' });
    expect(await stateOf(repository)).toEqual(before);
  });

  it('of a folder of this machine needs no server', async () => {
    await addMirror(repository, archive, `file://${archive.root}`);
    await update(repository);
    expect(await poolOf(repository)).toEqual([HELLO, LIBHELLO]);
    expect(asked()).toEqual([]);
  });

  it('takes further indexes that a pattern means', async () => {
    await archive.publish({
      extra: { 'main/Contents-amd64.gz': 'text', 'main/dep11/icons.tar.gz': 'icons' },
    });
    await add({ indexes: ['*/Contents-*'] });
    await update(repository);
    const files = Object.keys(await stateOf(repository));
    expect(files).toContain('dists/stable/main/Contents-amd64.gz');
    expect(files).not.toContain('dists/stable/main/dep11/icons.tar.gz');
  });

  it('holds the architectures that are asked for', async () => {
    await archive.add({ name: 'foreign', architecture: 'i386' });
    await archive.publish();
    await add({ architectures: ['i386'] });
    await update(repository);
    expect(await poolOf(repository)).toEqual(['pool/main/f/foreign/foreign_1.0_i386.deb', LIBHELLO]);
    expect(Object.keys(await stateOf(repository)).join()).not.toContain('binary-amd64');
  });
});

describe('the table of files', () => {
  it('can be deleted at any time: nothing is fetched again that is there', async () => {
    await add();
    await update(repository);
    asked();
    await repository.pool.query('delete from mirror_files');
    const report = await update(repository);
    expect(report).toMatchObject({ fetchedFiles: 0, isChanged: false });
    expect(asked().filter((name) => name.endsWith('.deb'))).toEqual([]);
    const { rows } = await repository.pool.query('select 1 from mirror_files');
    expect(rows).toHaveLength(2);
  });

  it('saves reading what did not change; a file that did is read, and fetched again when it is damaged', async () => {
    await add();
    await update(repository);
    const file = path.join(mirrorRoot(repository), HELLO);
    const { size } = await stat(file);
    const good = await readFile(file);
    await writeFile(file, Buffer.alloc(size));
    asked();
    expect(await update(repository)).toMatchObject({ fetchedFiles: 1, isChanged: false });
    expect(asked().filter((name) => name.endsWith('.deb'))).toEqual([`/${HELLO}`]);
    expect(await readFile(file)).toEqual(good);
  });

  it('is not believed when every sum is asked for anew', async () => {
    await add();
    await update(repository);
    const file = path.join(mirrorRoot(repository), HELLO);
    const { size } = await stat(file);
    await writeFile(file, Buffer.alloc(size)); // and the table says that all is well
    const { mtimeMs } = await stat(file);
    await repository.pool.query('update mirror_files set mtime_ms = $1 where path = $2', [mtimeMs, HELLO]);
    expect(await update(repository)).toMatchObject({ fetchedFiles: 0 });
    expect(await update(repository, { isRecheck: true })).toMatchObject({ fetchedFiles: 1 });
  });
});

describe('what is not taken', () => {
  /** The code under which an update is refused; it is recorded. */
  const refusal = async (): Promise<string> => {
    const error = (await update(repository).catch((thrown: unknown) => thrown)) as { code: string };
    const { status, errorCode, failures, error: why } = await mirror();
    expect({ status, errorCode, failures }).toEqual({ status: 'failed', errorCode: error.code, failures: 1 });
    expect(why).not.toBeNull();
    return error.code;
  };

  it('a signature of another key', async () => {
    await add();
    const other = await makeKey(new Date(Date.now() - HOUR_MS));
    Object.assign(archive, { key: other });
    await archive.publish();
    expect(await refusal()).toBe('mirror-signature');
    expect(asked().some((name) => name.includes('binary-'))).toBe(false);
  });

  it('a Release that was changed after it was signed', async () => {
    await add();
    const file = path.join(archive.root, 'dists/stable/InRelease');
    await writeFile(file, (await readFile(file, 'utf8')).replace('Label: Upstream', 'Label: Evil'));
    expect(await refusal()).toBe('mirror-signature');
  });

  it('what is not signed at all', async () => {
    await add();
    for (const name of ['InRelease', 'Release.gpg']) await rm(path.join(archive.root, 'dists/stable', name));
    expect(await refusal()).toBe('mirror-file-missing');
  });

  it('a Release whose time is over', async () => {
    await archive.publish({ validUntil: new Date(Date.now() - HOUR_MS) });
    await add();
    expect(await refusal()).toBe('mirror-expired');
  });

  it('a Release of the future', async () => {
    await archive.publish({ date: new Date(Date.now() + HOUR_MS) });
    await add();
    expect(await refusal()).toBe('mirror-from-future');
  });

  it('a Release of another suite', async () => {
    await archive.publish({ codename: 'unstable' });
    await add();
    expect(await refusal()).toBe('mirror-other-suite');
  });

  it('an older Release than the one that was taken: a replay', async () => {
    const showOld = await archive.snapshot('old');
    await archive.add({ name: 'fix' });
    await archive.publish();
    await add();
    await update(repository);
    const state = await stateOf(repository);
    await showOld();
    expect(await refusal()).toBe('mirror-replayed');
    expect(await stateOf(repository)).toEqual(state);
  });

  it.each([
    ['leaves the mirror', 'Filename: ../../../../etc/cron.d/evil'],
    ['is absolute', 'Filename: /etc/cron.d/evil'],
    ['is hidden', 'Filename: pool/.generations/1/evil.deb'],
    ['lies among the indexes', 'Filename: dists/stable/InRelease'],
    ['takes the place of the key', 'Filename: ./mirror-key.asc'],
  ])('a path that %s', async (_how, line) => {
    await archive.publish({ editPackages: (text) => text.replace(/^Filename: .*hello_1.*$/m, line) });
    await add();
    expect(await refusal()).toBe('index-invalid');
    expect(await poolOf(repository)).toEqual([]);
  });

  it('a stanza bomb', async () => {
    const bomb = 'x'.repeat(2 * 1024 * 1024);
    await archive.publish({ editPackages: (text) => `${text}Package: bomb\nDescription: ${bomb}\n\n` });
    await add();
    expect(await refusal()).toBe('index-invalid');
  });

  it('an index that unpacks to more than Release says', async () => {
    await archive.publish({ forms: ['plain'] });
    const plain = path.join(archive.root, 'dists/stable/main/binary-amd64/Packages');
    const { size } = await stat(plain);
    const zeros = '\n'.repeat(64 * 1024 * 1024);
    await archive.publish({ forms: ['gz'], editPackages: (text) => text + zeros });
    // A Release that lies about the unpacked size, signed all the same.
    const release = path.join(archive.root, 'dists/stable/Release');
    const text = (await readFile(release, 'utf8')).replaceAll(
      new RegExp(` ([0-9a-f]{64}) ${String(size + zeros.length)} (\\S+/Packages)$`, 'gm'),
      ` $1 ${String(size)} $2`,
    );
    await archive.signText(text);
    await add();
    expect(await refusal()).toBe('index-invalid');
  });

  it('MD5 sums alone', async () => {
    await archive.signText(
      (await readFile(path.join(archive.root, 'dists/stable/Release'), 'utf8')).replace('SHA256:', 'MD5Sum:'),
    );
    await add();
    expect(await refusal()).toBe('release-sums-weak');
  });

  it('components and architectures that the archive has not: it says which there are', async () => {
    await add({ components: ['contrib'] });
    await expect(update(repository)).rejects.toMatchObject({
      ...{ code: 'mirror-component-missing', hint: 'It has: main' },
    });
  });
});

describe('a bad line', () => {
  it('goes on with half a file where it broke', async () => {
    const file = await archive.add({ name: 'big', bytes: 400_000 });
    await archive.publish();
    server.fail('big_1.0_amd64.deb', { kind: 'truncate', after: 150_000 }, 1);
    await add();
    await update(repository);
    const [first, second, ...others] = asked().filter((name) => name.includes('big_'));
    expect(first).toBe(`/${file}`);
    expect(Number(second?.split('@')[1])).toBeGreaterThan(0);
    expect(others).toEqual([]);
    expect(await readFile(path.join(mirrorRoot(repository), file))).toEqual(
      await readFile(path.join(archive.root, file)),
    );
  });

  it('that knows no ranges begins anew', async () => {
    const file = await archive.add({ name: 'big', bytes: 400_000 });
    await archive.publish();
    server.fail('big_1.0_amd64.deb', { kind: 'truncate', after: 150_000 }, 1);
    server.fail('big_1.0_amd64.deb', { kind: 'no-range' }, 1);
    await add();
    await update(repository);
    expect(await readFile(path.join(mirrorRoot(repository), file))).toEqual(
      await readFile(path.join(archive.root, file)),
    );
  });

  it('takes half a file that is not its start for nothing', async () => {
    const file = await archive.add({ name: 'big', bytes: 400_000 });
    await archive.publish();
    server.fail('big_1.0_amd64.deb', { kind: 'truncate', after: 150_000 });
    await add();
    await expect(update(repository)).rejects.toMatchObject({ code: 'mirror-truncated' });
    server.heal();
    const partial = await archive.sha256(file);
    const kept = path.join(mirrorRoot(repository), '.partial', partial);
    await truncate(kept, 1000);
    await writeFile(kept, 'another start', { flag: 'r+' });
    await update(repository);
    expect(await readFile(path.join(mirrorRoot(repository), file))).toEqual(
      await readFile(path.join(archive.root, file)),
    );
  });

  it.each([
    ['a wrong sum', { kind: 'wrong' }, 'mirror-sum-mismatch'],
    ['a longer file', { kind: 'longer' }, 'mirror-sum-mismatch'],
    ['a missing file', { kind: 'status', status: 404 }, 'mirror-file-missing'],
    ['a refusal', { kind: 'status', status: 403 }, 'mirror-refused'],
    ['a busy server', { kind: 'status', status: 503 }, 'mirror-unavailable'],
    ['a loop of redirects', { kind: 'redirect', location: `/${HELLO}` }, 'mirror-redirects'],
    ['a redirect into a file', { kind: 'redirect', location: 'file:///etc/passwd' }, 'mirror-redirects'],
  ] as const)('with %s leaves the mirror as it was', async (_what, fault, code) => {
    await add();
    await update(repository);
    const before = await stateOf(repository);
    await archive.remove('hello_1.0_amd64');
    await archive.add({ name: 'hello', version: '1.0', bytes: 100 });
    await archive.publish();
    server.fail('hello_1.0_amd64.deb', fault);
    await expect(update(repository)).rejects.toMatchObject({ code });
    expect(await stateOf(repository)).toEqual(before);
    server.heal();
    expect(await update(repository)).toMatchObject({ isChanged: true });
    expect((await mirror()).failures).toBe(0);
  });

  it('sends on to where the file is', async () => {
    server.fail('hello_1.0_amd64.deb', { kind: 'redirect', location: `/pool/../${HELLO}` }, 1);
    await add();
    await update(repository);
    expect(await poolOf(repository)).toEqual([HELLO, LIBHELLO]);
  });

  it('is nothing to wait for without an end: a server that is gone is said so', async () => {
    await add();
    await server.close();
    await expect(update(repository)).rejects.toMatchObject({ code: 'mirror-unreachable' });
    const row = await mirror();
    expect(row.nextAt?.getTime()).toBeGreaterThan(Date.now());
  });

  it('keeps to the limit of bytes a second', async () => {
    await archive.add({ name: 'big', bytes: 300_000 });
    await archive.publish();
    await add({ bytesPerSecond: 400_000 });
    const began = performance.now();
    await update(repository);
    // 300 kB at 400 kB a second, less the last piece, which nobody waits for.
    expect(performance.now() - began).toBeGreaterThan(400);
  });
});

describe('an archive that changes under the update', () => {
  it('is begun again from its Release, and ends whole', async () => {
    const replace = async (): Promise<void> => {
      await archive.remove('hello_1.0_amd64');
      await archive.add({ name: 'hello', version: '2.0' });
      await archive.publish({ byHash: false });
    };
    await rm(path.join(archive.root, 'dists'), { recursive: true });
    await archive.publish({ byHash: false });
    await add();
    server.fail('binary-amd64/Packages.xz', { kind: 'before', run: replace }, 1);
    const report = await update(repository);
    expect(report.restarts).toBeGreaterThan(0);
    expect(await poolOf(repository)).toEqual(['pool/main/h/hello/hello_2.0_amd64.deb', LIBHELLO]);
  });

  it('while files are fetched is begun again too', async () => {
    await add();
    server.fail(
      'hello_1.0_amd64.deb',
      {
        kind: 'before',
        run: async () => {
          await archive.remove('hello_1.0_amd64');
          await archive.add({ name: 'hello', version: '2.0' });
          await archive.publish();
        },
      },
      1,
    );
    expect((await update(repository)).restarts).toBe(1);
    expect(await poolOf(repository)).toContain('pool/main/h/hello/hello_2.0_amd64.deb');
  });

  it('for ever is given up', async () => {
    await add();
    server.fail('hello_1.0_amd64.deb', { kind: 'status', status: 404 });
    await expect(update(repository)).rejects.toMatchObject({ code: 'mirror-file-missing' });
    expect(asked().filter((name) => name.endsWith('/InRelease'))).toHaveLength(4);
  });
});

describe('what is dropped', () => {
  const drop = async (): Promise<void> => {
    await archive.remove('hello_1.0_amd64');
    await archive.add({ name: 'hello', version: '2.0' });
    await archive.publish();
  };

  it('stays for a while, with the indexes by their sums, for clients that hold the older ones', async () => {
    await add();
    await update(repository);
    const before = Object.keys(await stateOf(repository));
    await drop();
    await update(repository);
    const state = Object.keys(await stateOf(repository));
    const byHash = before.filter((file) => file.includes('/by-hash/') || file.startsWith('pool/'));
    expect(byHash.filter((file) => !state.includes(file))).toEqual([]);
    repository.setClock(new Date(Date.now() + 49 * HOUR_MS));
    expect(await update(repository)).toMatchObject({ removedFiles: 1 });
    const later = Object.keys(await stateOf(repository));
    expect(later).not.toContain(HELLO);
    expect(later).toContain(LIBHELLO);
  });

  it('is not removed when it is used again', async () => {
    await add();
    await update(repository);
    await archive.remove('hello_1.0_amd64');
    await archive.publish();
    await update(repository);
    await archive.add({ name: 'hello', depends: 'libhello' });
    await archive.publish();
    repository.setClock(new Date(Date.now() + 49 * HOUR_MS));
    await update(repository);
    expect(await poolOf(repository)).toContain(HELLO);
  });

  it('of a mirror is everything', async () => {
    await add();
    await update(repository);
    await removeMirror(repository, 'up', { keepFiles: false });
    await expect(stat(mirrorRoot(repository))).rejects.toThrow('ENOENT');
    expect((await repository.pool.query('select 1 from mirror_files')).rows).toEqual([]);
    await expect(mirror()).rejects.toMatchObject({ code: 'mirror-unknown' });
  });
});

describe('a login', () => {
  it('comes out of a file that not everybody reads', async () => {
    const authFile = path.join(repository.home.root, 'auth');
    await writeFile(authFile, `machine ${server.url}\nlogin me\npassword s3cret\n`, { mode: 0o600 });
    server.requireAuthorization(`Basic ${Buffer.from('me:s3cret').toString('base64')}`);
    await add();
    await expect(update(repository)).rejects.toMatchObject({ code: 'mirror-refused' });
    await removeMirror(repository, 'up', { keepFiles: false });
    await add({ authFile });
    await update(repository);
    expect(await poolOf(repository)).toEqual([HELLO, LIBHELLO]);
    await chmod(authFile, 0o644);
    await expect(update(repository)).rejects.toMatchObject({ code: 'mirror-auth-invalid' });
  });
});
