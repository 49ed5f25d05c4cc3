/** `autobuilder check` of targets elsewhere: an object store and an rsync daemon, by what they list. */
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { checkRepository, type CheckOptions } from '../../services/repository/upkeep/check/run.ts';
import { startS3, type S3Place } from '../support/s3-server.ts';
import { startRsyncDaemon } from '../support/sync-places.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const HOUR_MS = 3600_000;
const DEB = 'devel/pool/bookworm/main/h/hello/hello_1.0_amd64.deb';
const opened = await openTestRepository();
const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-check-remote-'));
const configFile = path.join(root, 'rclone.conf');
let repository = opened;
let daemon: Awaited<ReturnType<typeof startRsyncDaemon>>;
let s3: S3Place;

beforeAll(async () => {
  s3 = await startS3();
  await s3.writeConfig(configFile);
  daemon = await startRsyncDaemon(await mkdtemp(path.join(root, 'daemon-')));
  const targets = [
    { name: 's3', url: 'rclone:s3:bucket/live', configFile, stallS: 2, queues: ['devel'] },
    { name: 'daemon', url: daemon.url, passwordFile: daemon.passwordFile, stallS: 2, queues: ['devel'] },
  ];
  repository = { ...opened, config: { ...opened.config, targets } };
  await opened.sweep();
  await handOver(opened, await makeSet(opened));
  await opened.sweep();
});
beforeEach(async () => {
  await createRqp(repository, { retryFirstMs: 0 }).run();
  const left = await found();
  if (left.length > 0) throw new Error(JSON.stringify(left));
});
afterAll(async () => {
  await Promise.all([s3?.stop(), daemon?.stop()]);
  await opened.dispose();
  await rm(root, { recursive: true, force: true });
});

async function found(options: CheckOptions = {}): Promise<(string | null)[][]> {
  const findings = await checkRepository(repository, { isQuick: true, queue: 'devel', ...options });
  return findings.map(({ code, subject, detail, outcome }) => [code, subject, detail, outcome]);
}

test('what is missing or cut short there is found without a write, and asked for', async () => {
  const index = 'devel/dists/bookworm/main/binary-amd64/Packages.xz';
  s3.objects.delete(`live/${DEB}`);
  s3.objects.delete(`live/${index}`);
  await truncate(path.join(daemon.folder, DEB), 3);
  s3.requests.length = 0;
  const wanted = [
    ['remote-differs', 's3: files', `${index} is not there, and 1 more`],
    ['remote-differs', 'daemon: files', expect.stringMatching(`^${DEB} has 3 bytes, not [0-9]+$`)],
  ];
  expect(await found()).toEqual(wanted.map((each) => [...each, null]));
  expect(s3.requests.length).toBeGreaterThan(0);
  expect(s3.requests.filter((each) => !/^(GET|HEAD) /.test(each))).toEqual([]);
  expect(await found({ repair: true })).toEqual(wanted.map((each) => [...each, 'asked']));
});

test('a target that is behind for long is told of', async () => {
  await handOver(opened, await makeSet(opened, { source: 'later' }));
  await opened.sweep();
  expect(await found()).toEqual([]); // rqp has some minutes
  await opened.pool.query(`update generations set staged_at = staged_at - $1 * interval '1 ms'`, [HOUR_MS]);
  const detail = expect.stringMatching(/^It has generation \d+, the newest is \d+$/);
  expect(await found()).toEqual(
    ['s3', 'daemon'].map((name) => ['remote-behind', `${name}: dists`, detail, null]),
  );
});

test('one that does not answer, or does not take what is sent, is not known', async () => {
  s3.accounts.clear();
  expect(await found()).toEqual([
    ['remote-unknown', 's3: files', expect.stringMatching(/^It could not be listed: .*AccessKeyId/s), null],
  ]);
  await handOver(opened, await makeSet(opened, { source: 'refused' }));
  await opened.sweep();
  await createRqp(repository, { retryFirstMs: 0 }).run();
  expect(await found()).toEqual([
    ['remote-unknown', 's3: files', expect.stringMatching(/^Its last sync failed: .*configFile/s), null],
  ]);
});
