/** Live targets of every kind, for real: sshd on a host of its own, an rsync daemon, WebDAV through rclone. */
import { chown, mkdtemp, readdir, readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashFile } from '../../shared/files/hash-file.ts';
import { ensureKeyPair } from '../../shared/ssh/key-pair.ts';
import type { TargetConfig } from '../../services/repository/sync/config.ts';
import type { Repository } from '../../services/repository/context.ts';
import { buildLiveServer } from '../../services/repository/live/server.ts';
import { placesOf } from '../../services/repository/places.ts';
import { askForSync } from '../../services/repository/sync/ask.ts';
import { filesBelow } from '../../services/repository/sync/job.ts';
import { seeMarker } from '../../services/repository/sync/marker.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { readStatus, type TargetStatus } from '../../services/repository/sync/status.ts';
import { makeNamespaceHosts, type NamespaceHosts } from '../support/namespaces.ts';
import { makeDisk, startRsyncDaemon, startWebdav, type SyncPlace } from '../support/sync-places.ts';
import { waitFor } from '../support/wait.ts';
import { handOver, makeAptClient, makeSet, openTestRepository } from './repository-support.ts';

const repository = await openTestRepository();
const places = placesOf(repository.home, 'devel', 'bookworm');
const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-targets-'));
let hosts: NamespaceHosts;
let daemon: SyncPlace & { passwordFile: string };
let webdav: SyncPlace & { configFile: string };
let ssh: TargetConfig;

beforeAll(async () => {
  const key = await ensureKeyPair(path.join(root, 'key'), 'test');
  [hosts, daemon, webdav] = await Promise.all([
    makeNamespaceHosts(1, { authorizedKey: key.publicKey, diskBytes: 16 * 1024 * 1024 }),
    startRsyncDaemon(await mkdtemp(path.join(root, 'daemon-'))),
    startWebdav(await mkdtemp(path.join(root, 'webdav-'))),
  ]);
  const [host] = hosts.hosts;
  const knownHostsFile = path.join(root, 'known_hosts');
  await writeFile(knownHostsFile, `${host!.address} ${host!.hostKey}\n`);
  ssh = {
    ...{ name: 'ssh', url: `ssh://${host!.username}@${host!.address}${host!.workdir}/live` },
    ...{ identityFile: key.privateFile, knownHostsFile, required: true },
  };
  await repository.sweep();
  await publishOne('first');
});
afterAll(async () => {
  await Promise.all([hosts?.dispose(), daemon?.stop(), webdav?.stop()]);
  await repository.dispose();
  await rm(root, { recursive: true, force: true });
});

async function publishOne(source: string): Promise<void> {
  await handOver(repository, await makeSet(repository, { source }));
  await repository.sweep();
}

function withTargets(...targets: TargetConfig[]): Repository {
  const own = targets.map((target) => ({ ...target, queues: ['devel'] }));
  return { ...repository, config: { ...repository.config, targets: own } };
}

async function devel(name: string): Promise<TargetStatus> {
  const found = (await readStatus(repository.pool)).find(
    (row) => row.target === name && row.queue === 'devel',
  );
  if (!found) throw new Error(`no status of ${name}`);
  return found;
}

/** Everything that Release names is there under both names, and everything that the pool of staging has. */
async function expectWhole(folder: string): Promise<void> {
  const dists = path.join(folder, 'devel/dists/bookworm');
  const inRelease = await readFile(path.join(dists, 'InRelease'), 'utf8');
  expect(inRelease).toBe(await readFile(path.join(places.dists, 'InRelease'), 'utf8'));
  const sums = [...inRelease.matchAll(/^ ([0-9a-f]{64}) +(\d+) (\S+)$/gm)];
  expect(sums.length).toBeGreaterThan(4);
  const staged = new Set(await filesBelow(places.dists));
  for (const [, sha256 = '', , name = ''] of sums.filter(([, , , each = '']) => staged.has(each))) {
    const hashed = path.join(dists, path.dirname(name), 'by-hash/SHA256', sha256);
    for (const file of [path.join(dists, name), hashed]) {
      expect((await hashFile(file, ['sha256'])).sums['sha256']).toBe(sha256);
    }
  }
  const pool = path.join(folder, 'devel/pool/bookworm');
  expect(await filesBelow(pool)).toEqual(await filesBelow(places.pool));
  const [file = ''] = (await filesBelow(pool)).filter((name) => name.endsWith('.deb'));
  expect(await readFile(path.join(pool, file))).toEqual(await readFile(path.join(places.pool, file)));
}

function workdir(): string {
  return path.join(hosts.hosts[0]!.workdir, 'live');
}

async function expectInstalls(folder: string, source: string): Promise<void> {
  const { common, log } = repository;
  const server = await buildLiveServer({ root: folder, common, log });
  try {
    const url = await server.listen({ host: '127.0.0.1', port: 0 });
    const client = await makeAptClient(repository, url, ['devel']);
    const update = await client.apt('apt-get', 'update', '-qq');
    expect([update.code, update.stderr.toString()]).toEqual([0, '']);
    const download = await client.apt('apt-get', 'download', source);
    expect([download.code, download.stderr.toString()]).toEqual([0, '']);
  } finally {
    await server.close();
  }
}

function all(): Repository {
  return withTargets(
    ssh,
    { name: 'daemon', url: daemon.url, passwordFile: daemon.passwordFile },
    { name: 'store', url: webdav.url, configFile: webdav.configFile },
    { name: 'folder', path: path.join(root, 'folder') },
  );
}

/** Where their files lie, in the same order. */
function folders(): string[] {
  return [workdir(), daemon.folder, webdav.folder, path.join(root, 'folder')];
}

describe('every kind of target', () => {
  test('gets the whole of it, and real apt installs from it', async () => {
    await createRqp(all()).run();
    for (const row of await readStatus(repository.pool))
      expect([row.target, row.error]).toEqual([row.target, null]);
    for (const folder of folders()) {
      await expectWhole(folder);
      await expectInstalls(folder, 'first');
    }
    expect(await seeMarker(places.marker)).toBeNull();
  });

  test('gets what changed, and no more', async () => {
    await publishOne('second');
    await createRqp(all()).run();
    for (const folder of folders()) await expectWhole(folder);
    for (const name of ['ssh', 'daemon', 'store']) {
      const { files, bytes } = await devel(name);
      // The package's own three files, and its indexes under two names; never the first package again.
      expect(files).toBeGreaterThan(3);
      expect(bytes).toBeLessThan(200_000);
    }
  });

  test('over SSH has snapshots that apt reads, and drops them with staging', async () => {
    const [timestamp = ''] = (await readdir(path.join(places.root, 'snapshot'))).filter((name) =>
      /^\d/.test(name),
    );
    const there = path.join(workdir(), 'devel/snapshot', timestamp);
    expect(await readlink(path.join(there, 'pool'))).toBe('../../pool');
    const staged = path.join(places.root, 'snapshot', timestamp, 'dists/bookworm/InRelease');
    expect(await readFile(path.join(there, 'dists/bookworm/InRelease'))).toEqual(await readFile(staged));
    const newest = path.join(workdir(), 'devel/dists/bookworm/InRelease');
    const names = (await readdir(path.dirname(there))).filter((name) => /^\d/.test(name));
    const last = path.join(path.dirname(there), names.toSorted().at(-1)!, 'dists/bookworm');
    expect(await readFile(path.join(last, 'InRelease'))).toEqual(await readFile(newest));
    const index = 'main/binary-amd64/Packages.xz';
    expect((await stat(path.join(last, index))).ino).toBe(
      (await stat(path.join(path.dirname(newest), index))).ino,
    );
    await rm(path.join(places.root, 'snapshot', timestamp), { recursive: true });
    await publishOne('third');
    await rm(path.join(places.root, 'snapshot', timestamp), { recursive: true, force: true });
    await createRqp(all()).run();
    await expect(stat(there)).rejects.toThrow('ENOENT');
    await expect(stat(path.join(root, 'folder/devel/snapshot', timestamp))).rejects.toThrow('ENOENT');
  });

  test('is repaired by a sync that compares content', async () => {
    // WebDAV as rclone serves it tells no sum, so nothing but the size can be compared.
    const telling = folders().filter((folder) => folder !== webdav.folder);
    const damaged = telling.map((folder) =>
      path.join(folder, 'devel/pool/bookworm/main/f/first/first_1.0_amd64.deb'),
    );
    const good = await readFile(damaged[0]!);
    for (const file of damaged) {
      const { mtime, atime, uid, gid } = await stat(file);
      await rm(file); // a folder's is the very file of staging
      await writeFile(file, Buffer.alloc(good.length, 'x'));
      await chown(file, uid, gid);
      await utimes(file, atime, mtime);
    }
    await askForSync(all(), { queue: 'devel', verify: true });
    await createRqp(all()).run();
    for (const file of damaged) expect(await readFile(file)).toEqual(good);
    expect((await devel('folder')).asked).toBeNull();
  });

  test('a file of ours that is damaged is never sent, and keeps nothing new from being sent', async () => {
    const file = path.join(places.pool, 'main/s/second/second_1.0_amd64.deb');
    const good = await readFile(file);
    await rm(file);
    await writeFile(file, Buffer.alloc(good.length, 'x'));
    await askForSync(all(), { queue: 'devel', target: 'daemon', verify: true });
    await createRqp(all()).run();
    expect(await devel('daemon')).toMatchObject({ errorCode: 'pool-file-damaged', health: 'degraded' });
    const there = path.join(daemon.folder, 'devel/pool/bookworm/main/s/second/second_1.0_amd64.deb');
    expect(await readFile(there)).toEqual(good);
    // News does not wait for somebody to mend it, and what was asked for is not forgotten.
    await publishOne('news');
    await waitFor('the news', async () => {
      await createRqp(all(), { retryFirstMs: 0 }).run();
      const { generation, newest } = await devel('daemon');
      return generation === newest;
    });
    expect(await devel('daemon')).toMatchObject({ errorCode: 'pool-file-damaged', health: 'degraded' });
    expect(await readFile(there)).toEqual(good);
    await writeFile(file, good);
    await askForSync(all(), { queue: 'devel' });
    await createRqp(all()).run();
    expect(await devel('daemon')).toMatchObject({ errorCode: null, health: 'ok', failures: 0 });
  });
});

describe('a target in trouble', () => {
  const good = { name: 'good', path: path.join(root, 'good') };

  test('that is cut off is unreachable, holds up no other, and is brought up when it is back', async () => {
    const repositoryNow = withTargets({ ...ssh, required: false, stallS: 2 }, good);
    await createRqp(repositoryNow, { retryFirstMs: 0 }).run();
    await hosts.hosts[0]!.cut();
    await publishOne('cut');
    const ending = new AbortController();
    const rqp = createRqp(repositoryNow, { retryFirstMs: 0, signal: ending.signal });
    rqp.wake();
    await waitFor(
      'the good target',
      async () => (await devel('good')).generation === (await devel('good')).newest,
    );
    const { rows } = await repository.pool.query(
      `select 1 from generations where queue = 'devel' and status = 'staged'`,
    );
    expect(rows).toEqual([]); // live is what the required ones have
    await waitFor('the failure', async () => (await devel('ssh')).failures > 0, 90_000);
    expect(await devel('ssh')).toMatchObject({ health: 'unreachable', failingSince: expect.any(Date) });
    expect(await seeMarker(places.marker)).not.toBeNull();
    ending.abort();
    await rqp.stop();
    await hosts.hosts[0]!.restore();
    await createRqp(repositoryNow, { retryFirstMs: 0 }).run();
    expect(await devel('ssh')).toMatchObject({ health: 'ok', failures: 0, failingSince: null });
    await expectWhole(workdir());
    expect(await seeMarker(places.marker)).toBeNull();
  });

  test('that stalls while it is sent to is given up in time', async () => {
    const slow = { name: 'slow', url: daemon.url, passwordFile: daemon.passwordFile, stallS: 2 };
    await createRqp(withTargets(slow, good), { retryFirstMs: 0 }).run();
    await publishOne('stalled');
    daemon.child.kill('SIGSTOP');
    try {
      await createRqp(withTargets(slow, good), { retryFirstMs: 0 }).run();
      expect(await devel('slow')).toMatchObject({ errorCode: 'target-stalled', health: 'unreachable' });
      expect(await devel('good')).toMatchObject({ health: 'ok' });
    } finally {
      daemon.child.kill('SIGCONT');
    }
    await createRqp(withTargets(slow, good), { retryFirstMs: 0 }).run();
    expect(await devel('slow')).toMatchObject({ health: 'ok' });
    await expectWhole(daemon.folder);
  });

  test('whose disk is full says so before the first byte, or with the byte that did not fit', async () => {
    const small = path.join(root, 'small');
    const umount = await makeDisk(small, 256 * 1024);
    try {
      const told = { name: 'told', path: path.join(small, 'a') };
      const full = { name: 'full', path: path.join(small, 'b'), minFreeBytes: 0, links: false };
      const tight = { name: 'tight', path: path.join(small, 'c'), minFreeBytes: 0 };
      const sshFull = { ...ssh, minFreeBytes: 1024 ** 3 };
      await createRqp(withTargets(told, sshFull, good), { retryFirstMs: 0 }).run();
      expect(await devel('told')).toMatchObject({ errorCode: 'target-full', health: 'degraded' });
      expect(await readdir(path.join(small, 'a'))).toEqual([]);
      expect(await devel('ssh')).toMatchObject({ errorCode: 'target-full', health: 'degraded' });
      for (const target of [full, tight]) {
        await writeFile(path.join(small, 'filler'), Buffer.alloc(200 * 1024)).catch(() => undefined);
        await createRqp(withTargets(target, good), { retryFirstMs: 0 }).run();
        expect(await devel(target.name)).toMatchObject({ errorCode: 'target-full', health: 'degraded' });
        expect(await devel('good')).toMatchObject({ health: 'ok' });
        await rm(path.join(small, 'filler'));
        await rm(target.path, { recursive: true, force: true });
      }
    } finally {
      await umount();
    }
  });

  test('with a wrong password or an unknown host key says which, and tells no secret', async () => {
    const passwordFile = path.join(root, 'wrong-password');
    await writeFile(passwordFile, 'guessed-word\n', { mode: 0o600 });
    const knownHostsFile = path.join(root, 'knows-nobody');
    await writeFile(knownHostsFile, '');
    const wrong = withTargets({ name: 'daemon', url: daemon.url, passwordFile }, { ...ssh, knownHostsFile });
    await createRqp(wrong, { retryFirstMs: 0 }).run();
    expect(await devel('daemon')).toMatchObject({
      health: 'unreachable',
      error: expect.stringMatching(/auth failed/),
    });
    expect(await devel('ssh')).toMatchObject({
      health: 'unreachable',
      error: expect.stringMatching(/host key/i),
    });
    expect(JSON.stringify(await readStatus(repository.pool))).not.toContain('guessed-word');
  });
});
