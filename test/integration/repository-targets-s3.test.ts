/** A target on an object store: rclone and real apt against a server that speaks S3 and checks signatures. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { askForSync } from '../../services/repository/sync/ask.ts';
import type { TargetConfig } from '../../services/repository/sync/config.ts';
import { filesBelow } from '../../services/repository/sync/job.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { readStatus, type TargetStatus } from '../../services/repository/sync/status.ts';
import { S3_SECRET, startS3, type S3Place } from '../support/s3-server.ts';
import { isSameRelease, problemsOfLive } from '../support/whole-live.ts';
import { handOver, makeAptClient, makeSet, openTestRepository } from './repository-support.ts';

const HOUR_MS = 3600_000;
const AT = { queue: 'devel', product: 'bookworm' };
const POOL = 'live/devel/pool/bookworm/';
const DISTS = 'live/devel/dists/bookworm/';
const repository = await openTestRepository();
const places = placesOf(repository.home, AT.queue, AT.product);
const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-s3-'));
const configFile = path.join(root, 'rclone.conf');
const ranFile = path.join(root, 'ran');
const { PATH = '' } = process.env;
let s3: S3Place;

beforeAll(async () => {
  s3 = await startS3();
  await s3.writeConfig(configFile);
  await recordRclone();
  await repository.sweep();
  await publish('first', '1.0+b1~2');
});
afterAll(async () => {
  process.env['PATH'] = PATH;
  await s3?.stop();
  await repository.dispose();
  await rm(root, { recursive: true, force: true });
});

/** The real rclone, found behind a script that keeps what everybody on the machine may see of it. */
async function recordRclone(): Promise<void> {
  const bin = path.join(root, 'bin');
  await mkdir(bin);
  const lines = [
    '#!/bin/sh',
    `{ printf '%s\\n' "$@"; env; } >> ${ranFile}`,
    `PATH=${PATH}`,
    'exec rclone "$@"',
  ];
  await writeFile(path.join(bin, 'rclone'), `${lines.join('\n')}\n`);
  await chmod(path.join(bin, 'rclone'), 0o755);
  process.env['PATH'] = `${bin}:${PATH}`;
}

async function publish(source: string, version = '1.0'): Promise<void> {
  await handOver(repository, await makeSet(repository, { source, version }));
  await repository.sweep();
}

/** Syncs at once, as if it were so many hours later; gives the target's status and what the store was asked. */
async function sync(
  options: { config?: Partial<TargetConfig>; hours?: number; ask?: 'full' | 'verify' } = {},
): Promise<{ status: TargetStatus; requests: string[] }> {
  const target = {
    name: 's3',
    url: 'rclone:s3:bucket/live',
    configFile,
    ...options.config,
    queues: ['devel'],
  };
  const own = { ...repository, config: { ...repository.config, targets: [target] } };
  s3.requests.length = 0;
  repository.setClock(new Date(Date.now() + (options.hours ?? 0) * HOUR_MS));
  if (options.ask) await askForSync(own, { queue: 'devel', verify: options.ask === 'verify' });
  await createRqp(own, { retryFirstMs: 0 }).run();
  repository.setClock(null);
  const status = (await readStatus(repository.pool)).find(
    (row) => row.target === 's3' && row.queue === 'devel',
  );
  if (!status) throw new Error('no status');
  return { status, requests: [...s3.requests] };
}

function keysOf(requests: readonly string[], method: string): string[] {
  return requests
    .filter((each) => each.startsWith(`${method} `))
    .map((each) => each.slice(method.length + 1));
}

async function expectWhole(): Promise<void> {
  const folder = await mkdtemp(path.join(root, 'saved-'));
  await s3.saveTo(folder, 'live/');
  expect(await problemsOfLive(folder, AT)).toEqual([]);
  expect(await isSameRelease(path.join(folder, 'devel/dists/bookworm'), places.dists)).toBe(true);
  const pool = path.join(folder, 'devel/pool/bookworm');
  expect(await filesBelow(pool)).toEqual(await filesBelow(places.pool));
  for (const file of await filesBelow(pool))
    expect(await readFile(path.join(pool, file))).toEqual(await readFile(path.join(places.pool, file)));
}

async function expectInstalls(source: string): Promise<void> {
  const client = await makeAptClient(repository, `${s3.publicUrl}/live`, ['devel']);
  for (const args of [['update'], ['download', source], ['source', '--download-only', source]]) {
    const done = await client.apt('apt-get', '-qq', ...args);
    expect([args, done.code, done.stderr.toString()]).toEqual([args, 0, '']);
  }
}

/** 0 keys, 1 pool, 2 by-hash, 3 other indexes, 4 InRelease. */
function stageOf(key: string): number {
  if (key.startsWith(POOL)) return 1;
  if (!key.startsWith(DISTS)) return 0;
  if (key.includes('/by-hash/')) return 2;
  return key === `${DISTS}InRelease` ? 4 : 3;
}

describe('a target on S3', () => {
  test('gets the whole of it in the order that clients need, and real apt installs from it', async () => {
    const { status, requests } = await sync();
    expect([status.health, status.error]).toEqual(['ok', null]);
    await expectWhole();
    await expectInstalls('first');
    const stages = keysOf(requests, 'PUT').map(stageOf);
    expect(stages).toEqual(stages.toSorted((a, b) => a - b));
    expect(new Set(stages)).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(stages.filter((stage) => stage === 4)).toHaveLength(1);
    expect(status.files).toBe(s3.objects.size - stages.filter((stage) => stage === 0).length);
  });

  test('gets what changed, and no more', async () => {
    await publish('second');
    const { status, requests } = await sync();
    await expectWhole();
    await expectInstalls('second');
    const sent = keysOf(requests, 'PUT');
    expect(
      sent
        .filter((key) => stageOf(key) === 1)
        .map((key) => path.basename(key))
        .toSorted(),
    ).toEqual([...['second_1.0.dsc', 'second_1.0.tar.xz', 'second_1.0_amd64.deb']]);
    expect(sent.filter((key) => key.includes('binary-i386'))).toEqual([]);
    expect(sent.at(-1)).toBe(`${DISTS}InRelease`);
    expect(keysOf(requests, 'GET').filter((each) => each.includes('pool'))).toEqual([]);
    expect(status.files).toBe(sent.filter((key) => stageOf(key) > 0).length);
  });

  test('that has everything is sent no pool file by a look at all files', async () => {
    const { requests } = await sync({ ask: 'full' });
    const sent = keysOf(requests, 'PUT').filter((key) => [1, 2].includes(stageOf(key)));
    expect(sent).toEqual([]);
  });

  test('is repaired: what is missing by any look, what has another content by one that compares it', async () => {
    const [lost, damaged] = ['f/first/first_1.0+b1~2_amd64.deb', 's/second/second_1.0_amd64.deb'].map(
      (file) => `${POOL}main/${file}`,
    );
    const there = s3.objects.get(damaged!);
    const good = there?.body ?? Buffer.alloc(0);
    s3.objects.delete(lost!);
    s3.objects.set(damaged!, { ...there!, body: Buffer.alloc(good.length, 'x') });
    await sync({ ask: 'full' });
    expect(s3.objects.has(lost!)).toBe(true);
    expect(s3.objects.get(damaged!)?.body).not.toEqual(good);
    const { status } = await sync({ ask: 'verify' });
    expect([status.error, status.asked]).toEqual([null, null]);
    await expectWhole();
  });

  test('loses what is gone, last and later', async () => {
    // So many that they are looked for in one listing, not one by one.
    const hashed = Array.from({ length: 520 }, (_, index) => String(index).padStart(64, '0'));
    const strays = [
      `${POOL}main/o/old/old_1.0+dfsg_amd64.deb`,
      ...hashed.map((sum) => `${DISTS}main/binary-amd64/by-hash/SHA256/${sum}`),
    ];
    for (const key of strays)
      s3.objects.set(key, { body: Buffer.from('old'), headers: {}, modified: new Date() });
    s3.objects.set(`${DISTS}left`, { body: Buffer.from('x'), headers: {}, modified: new Date() });
    await sync({ ask: 'full' });
    expect(s3.objects.has(`${DISTS}left`)).toBe(false);
    expect(strays.filter((key) => !s3.objects.has(key))).toEqual([]);
    await publish('third');
    const { requests } = await sync({ hours: 25 });
    expect(strays.filter((key) => s3.objects.has(key))).toEqual([]);
    expect(keysOf(requests, 'HEAD').filter((key) => strays.includes(key))).toEqual([]);
    const [firstGone, lastSent] = ['DELETE ', 'PUT '].map((method) =>
      requests[method === 'PUT ' ? 'findLastIndex' : 'findIndex']((each) => each.startsWith(method)),
    );
    expect(firstGone).toBeGreaterThan(lastSent!);
    await expectWhole();
    await expectInstalls('third');
  });
});

describe('a target on S3 in trouble', () => {
  test('says which of bucket, remote, key and rights is wrong, and what to do', async () => {
    const guessed = path.join(root, 'guessed.conf');
    await s3.writeConfig(guessed, 'guessed-secret');
    const url = 'rclone:s3:bucket-of-nobody/live';
    expect((await sync({ config: { url } })).status).toMatchObject({
      ...{ errorCode: 'target-unreachable', health: 'unreachable' },
      error: expect.stringMatching(/no such bucket.*Make the bucket/s),
    });
    expect((await sync({ config: { url: 'rclone:s4:bucket/live' } })).status).toMatchObject({
      ...{ errorCode: 'target-unreachable', error: expect.stringMatching(/configFile has no remote/) },
    });
    expect((await sync({ config: { configFile: guessed } })).status).toMatchObject({
      ...{ errorCode: 'target-unreachable', error: expect.stringMatching(/refuses the account.*secret/s) },
    });
    s3.isReadOnly = true;
    expect((await sync({ ask: 'full' })).status).toMatchObject({
      ...{
        errorCode: 'target-not-writable',
        health: 'degraded',
        error: expect.stringMatching(/write and delete/),
      },
    });
    s3.isReadOnly = false;
    expect((await sync()).status).toMatchObject({ errorCode: null, health: 'ok', failures: 0 });
  });

  test('that is cut off in the middle is given up in time, and whole after the next try', async () => {
    await publish('fourth');
    s3.isCut = true;
    const { status, requests } = await sync({ config: { timeoutS: 2 } });
    expect(status).toMatchObject({ errorCode: 'target-stalled', health: 'unreachable' });
    expect(keysOf(requests, 'PUT').filter((key) => stageOf(key) > 1)).toEqual([]);
    s3.isCut = false;
    expect((await sync()).status).toMatchObject({ errorCode: null, health: 'ok' });
    await expectWhole();
  });

  test('tells no secret to who looks at processes, status or logs', async () => {
    const ran = await readFile(ranFile, 'utf8');
    expect(ran).toContain('--files-from-raw');
    for (const secret of [S3_SECRET, 'guessed-secret']) {
      expect(ran).not.toContain(secret);
      expect(JSON.stringify(await readStatus(repository.pool))).not.toContain(secret);
    }
  });
});
