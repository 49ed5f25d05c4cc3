/** Patches between generations, fetched and applied by the real apt. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  type AptClient,
  type PackageOptions,
  type TestRepository,
} from './repository-support.ts';

const AT = { queue: 'devel', product: 'bookworm' };
/** Patches that are together larger than the index would not be offered. */
const MANY = Array.from({ length: 24 }, (_, at) => ({ name: `part-${String(at)}`, architecture: 'amd64' }));
const PAIR = ['pair-a', 'pair-b'].map((name) => ({ name, architecture: 'amd64' }));

let repository: TestRepository;
let live: Awaited<ReturnType<typeof serveLive>>;
let client: AptClient;
let asked: string[] = [];

async function publish(options: PackageOptions): Promise<void> {
  await handOver(repository, await makeSet(repository, options));
  expect(await sweepQueue(repository, AT)).toBe(true);
  await createRqp(repository).run();
}

/** What `apt-get update` fetched, relative to the distribution. */
async function update(): Promise<string[]> {
  asked = [];
  const { code, stderr } = await client.apt('apt-get', 'update', '-o', 'Acquire::PDiffs=true');
  expect(`${String(code)} ${stderr.toString('utf8')}`).toBe('0 ');
  return asked.map((url) => url.replace(/^\/devel\/(?:dists\/bookworm|generations\/bookworm\/\d+)\//, ''));
}

async function candidate(name: string): Promise<string> {
  const { stdout } = await client.apt('apt-cache', 'policy', name);
  return /Candidate: (.*)/.exec(stdout.toString('utf8'))?.[1] ?? 'none';
}

const PATCH = /^main\/binary-amd64\/Packages\.diff\/\d{8}T\d{6}Z\.gz$/;
const patches = (urls: readonly string[]): number => urls.filter((url) => PATCH.test(url)).length;
/** The whole index, under its name or its sum. */
const isWhole = (url: string): boolean => /^main\/binary-amd64\/(?:Packages\.(?:gz|xz)|by-hash\/)/.test(url);

beforeAll(async () => {
  repository = await openTestRepository({
    repository: { pdiffs: true, translations: false, contents: false, keyringPackage: false },
  });
  live = await serveLive(repository);
  live.server.server.on('request', (request) => asked.push(request.url ?? ''));
  await repository.sweep();
  await publish({ source: 'parts', binaries: MANY });
  await publish({ source: 'pair', binaries: PAIR });
  client = await makeAptClient(repository, live.url, ['devel']);
});
afterAll(async () => {
  await live.server.close();
  await repository.dispose();
});

describe('with Acquire::PDiffs', () => {
  test('an update fetches what changed and not the index', async () => {
    expect((await update()).some(isWhole)).toBe(true);
    await publish({ source: 'hello' });
    const urls = await update();
    expect(patches(urls)).toBe(1);
    expect(urls.filter(isWhole)).toEqual([]);
    expect(await candidate('hello')).toBe('1.0');
  });

  test('a client that was away applies one after the other, changes and removals', async () => {
    await publish({ source: 'hello', version: '1.1' });
    await publish({ source: 'another' });
    await publish({ source: 'pair', version: '2.0', binaries: PAIR.slice(0, 1) });
    const urls = await update();
    expect(patches(urls)).toBe(3);
    expect(urls.filter(isWhole)).toEqual([]);
    expect(await candidate('hello')).toBe('1.1');
    expect(await candidate('pair-a')).toBe('2.0');
    expect(await candidate('pair-b')).toBe('none');
  });

  test('an index that is made anew has no patches, and the next one starts again', async () => {
    await rm(placesOf(repository.home, AT.queue, AT.product).states, { recursive: true });
    await publish({ source: 'third' });
    const folder = path.join(repository.home.live, 'devel/dists/bookworm/main/binary-amd64');
    expect(await readdir(folder)).not.toContain('Packages.diff');
    expect((await update()).some(isWhole)).toBe(true);
    expect(await candidate('third')).toBe('1.0');
    await publish({ source: 'fourth' });
    expect(patches(await update())).toBe(1);
    expect(await candidate('fourth')).toBe('1.0');
  });
});
