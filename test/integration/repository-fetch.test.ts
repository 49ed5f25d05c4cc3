/** Several places to fetch from: the list that people get, with real apt. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installHowto } from '../../services/garage/howto/install.ts';
import { fetchLocations } from '../../services/garage/howto/locations.ts';
import { buildLiveServer } from '../../services/repository/live/server.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  type AptClient,
} from './repository-support.ts';

const repository = await openTestRepository();
const folders = ['first', 'second'].map((name) => path.join(repository.home.root, name));
const servers: FastifyInstance[] = [];
let urls: string[];

beforeAll(async () => {
  await repository.sweep();
  await handOver(repository, await makeSet(repository, { source: 'hello' }));
  await repository.sweep();
  urls = [];
  // Each place is a host of its own: apt remembers addresses that do not answer.
  for (const [index, folder] of folders.entries()) {
    await mkdir(folder, { recursive: true });
    const { common, log } = repository;
    const server = await buildLiveServer({ root: folder, common, log });
    servers.push(server);
    urls.push(await server.listen({ host: `127.0.0.${String(index + 2)}`, port: 0 }));
  }
  const targets = [
    { path: folders[0]!, publicUrl: `${urls[0]!}/` },
    { path: folders[1]!, publicUrl: urls[1]!, queues: ['devel', 'testing'] },
    { name: 'without-address', path: path.join(repository.home.root, 'third') },
  ];
  await createRqp({ ...repository, config: { ...repository.config, targets } }).run();
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await repository.dispose();
});

/** A client with the list and the source as they are printed, its own paths filled in. */
async function clientOf(locations: [string, ...string[]], key: string): Promise<AptClient> {
  const client = await makeAptClient(repository, key, []);
  const parts = path.join(repository.home.root, `parts-${String(Math.random())}`);
  await mkdir(parts);
  const list = `${parts}-places.list`;
  const snippets = installHowto({
    ...{ site: 'Test', locations, queue: 'devel', product: 'bookworm', components: ['main'] },
  });
  const of = (id: string): { text: string; file?: string } =>
    snippets.find((snippet) => snippet.id === id) ?? { text: '' };
  const keyFile = path.join(parts, 'archive-key.asc');
  await writeFile(keyFile, await (await fetch(`${key}/archive-key.asc`)).text());
  await writeFile(list, `${of('mirror-list').text}\n`);
  const source = of('deb822-mirrors')
    .text.replace(of('mirror-list').file ?? '', list)
    .replace(/^Signed-By: .*$/m, `Signed-By: ${keyFile}`);
  await writeFile(path.join(parts, 'test.sources'), `${source}\n`);
  return { apt: (command, ...args) => client.apt(command, '-o', `Dir::Etc::sourceparts=${parts}`, ...args) };
}

test('the places of a queue are the targets that have an address and take it, in their order', async () => {
  const { pool } = repository;
  expect(await fetchLocations(pool, 'devel', 'http://fallback.example.org')).toEqual(urls);
  expect(await fetchLocations(pool, 'stable', 'http://fallback.example.org')).toEqual([urls[0]]);
  expect(await fetchLocations(pool, 'nothing', 'http://fallback.example.org/')).toEqual([
    'http://fallback.example.org',
  ]);
});

test('apt takes what it needs from the second place when the first is away', async () => {
  const dead = 'http://127.0.0.9:9'; // nobody listens
  const client = await clientOf([dead, urls[1]!], urls[1]!);
  const update = await client.apt('apt-get', 'update');
  expect([update.code, update.stderr.toString()]).toEqual([0, '']);
  const download = await client.apt('apt-get', 'download', 'hello');
  expect([download.code, download.stderr.toString()]).toEqual([0, '']);
  expect((await client.apt('apt-get', 'source', '--download-only', 'hello')).code).toBe(0);
});

test('apt takes the first place while it is there, and goes on when it loses it in between', async () => {
  const client = await clientOf([urls[0]!, urls[1]!], urls[0]!);
  expect((await client.apt('apt-get', 'update')).code).toBe(0);
  const policy = await client.apt('apt-get', 'download', '--print-uris', 'hello');
  expect(policy.code).toBe(0);
  await servers[0]!.close();
  const download = await client.apt('apt-get', 'download', 'hello');
  expect([download.code, download.stderr.toString()]).toEqual([0, '']);
  expect((await client.apt('apt-get', 'update')).code).toBe(0);
  expect(await readFile(path.join(folders[1]!, 'devel/dists/bookworm/InRelease'), 'utf8')).toContain(
    'Origin',
  );
});
