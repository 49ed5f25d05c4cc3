/** What garbage collection took from staging leaves live last and later, while apt goes on. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { collectAll } from '../../services/repository/upkeep/gc.ts';
import { startRsyncDaemon } from '../support/sync-places.ts';
import { isThere } from '../support/whole-live.ts';
import { handOver, makeAptClient, makeSet, openTestRepository, serveLive } from './repository-support.ts';

const HOUR_MS = 3600_000;
const OLD = 'devel/pool/bookworm/main/h/hello/hello_1.0_amd64.deb';
const NEW = OLD.replace('_1.0_', '_3.0_');
const repository = await openTestRepository({
  repository: { snapshots: { keep: 2 }, poolGraceHours: 24, byHashHours: 24 },
});
const daemonRoot = path.join(repository.home.root, 'daemon');
let daemon: Awaited<ReturnType<typeof startRsyncDaemon>>;
let live: Awaited<ReturnType<typeof serveLive>>;

beforeAll(async () => {
  await mkdir(daemonRoot);
  daemon = await startRsyncDaemon(daemonRoot);
  live = await serveLive(repository);
  await repository.sweep();
});
afterAll(async () => {
  await live.server.close();
  await daemon.stop();
  await repository.dispose();
});

async function publishVersion(version: string): Promise<void> {
  await handOver(repository, await makeSet(repository, { source: 'hello', version }));
  await repository.sweep();
}

/** Syncs to a folder and to a daemon, as if it were so many hours later. */
async function syncAfter(hours: number): Promise<void> {
  const targets = [
    { path: repository.home.live, queues: ['devel'] },
    { name: 'daemon', url: daemon.url, passwordFile: daemon.passwordFile, queues: ['devel'] },
  ];
  repository.setClock(new Date(Date.now() + hours * HOUR_MS));
  await createRqp({ ...repository, config: { ...repository.config, targets } }).run();
  repository.setClock(null);
}

async function where(file: string): Promise<Record<string, boolean>> {
  const places = { staging: repository.home.staging, live: repository.home.live, daemon: daemon.folder };
  const found = Object.entries(places).map(async ([name, root]) => [
    name,
    await isThere(path.join(root, file)),
  ]);
  return Object.fromEntries(await Promise.all(found)) as Record<string, boolean>;
}

test('a file that nothing needs goes from staging, and a grace time later from every target', async () => {
  await publishVersion('1.0');
  await syncAfter(0);
  const client = await makeAptClient(repository, live.url, ['devel']);
  expect((await client.apt('apt-get', 'update')).code).toBe(0);
  for (const version of ['2.0', '2.1', '3.0']) await publishVersion(version);
  await syncAfter(0);
  await collectAll(repository, { graceHours: 0 });
  expect(await where(OLD)).toEqual({ staging: false, live: true, daemon: true });
  await syncAfter(2); // the first look for what is gone
  await syncAfter(25);
  expect(await where(OLD)).toEqual({ staging: false, live: true, daemon: true });
  // A client that has not updated since still gets what its lists name.
  expect((await client.apt('apt-get', 'download', 'hello=1.0')).code).toBe(0);
  await syncAfter(27);
  expect(await where(OLD)).toEqual({ staging: false, live: false, daemon: false });
  expect(await where(NEW)).toEqual({ staging: true, live: true, daemon: true });
  expect((await client.apt('apt-get', 'update')).code).toBe(0);
  expect((await client.apt('apt-get', 'download', 'hello=3.0')).code).toBe(0);
});
