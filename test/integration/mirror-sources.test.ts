/** A local mirror as a product's source by its name: configuration, jobs, and what apt and mmdebstrap make of them. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { oneLineSources, preferencesFor, resolveSources } from '../../services/builder/target/apt-sources.ts';
import { garageSection } from '../../services/garage/config.ts';
import type { Garage } from '../../services/garage/context.ts';
import { baseOf } from '../../services/garage/dispatch/job.ts';
import { furtherSources } from '../../services/garage/dispatch/mirror-sources.ts';
import { RepositoryAccess } from '../../services/garage/dispatch/repository-access.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { loadConfig } from '../../shared/config/load.ts';
import { run } from '../../shared/process/run.ts';
import type { AptSource } from '../../shared/protocol/job.ts';
import { MirrorBench } from './mirror-support.ts';
import { commandLine, type Ended } from './repository-command-line.ts';
import { handOver, makeAptClient, makeSet, serveLive } from './repository-support.ts';

/** mmdebstrap unpacks two packages; the machine may be busy. */
const BASE_MS = 120_000;
const bench = new MirrorBench();
let live: { server: FastifyInstance; url: string };

beforeAll(async () => {
  await bench.repository.sweep();
  await handOver(bench.repository, await makeSet(bench.repository, { source: 'hello', version: '2.0' }));
  await bench.repository.sweep();
  await createRqp(bench.repository).run();
});
beforeEach(async () => {
  live = await serveLive(bench.repository);
});
afterEach(async () => {
  await live.server.close();
  process.exitCode = 0;
});
const file = (): string => path.join(bench.repository.home.root, 'autobuilder.yaml');

/** A garage whose product `bookworm` is written like that. */
async function garageWith(product: string): Promise<Garage> {
  const text = `garage:\n  repositoryUrl: ${live.url}/\nproducts:\n  bookworm:\n    architectures: [amd64]\n${product}`;
  await writeFile(file(), text);
  const loaded = await loadConfig({ garage: garageSection }, bench.repository.home);
  const { pool, log } = bench.repository;
  return { pool, log, common: await loaded.common(), config: loaded.sections.garage } as Garage;
}

const autobuilder = (...args: string[]): Promise<Ended> => commandLine(bench.repository, args);
const productIn = (garage: Garage): Garage['common']['products'][number] => garage.common.products[0]!;

async function fill(...limits: string[]): Promise<void> {
  const keyring = await bench.archive.keyring(bench.at('upstream.gpg'));
  await autobuilder('mirror', 'add', 'up', bench.server.url, 'stable', '--keyring', keyring, ...limits);
  expect(await autobuilder('mirror', 'update', 'up')).toMatchObject({ code: 0 });
}

/** Lines of sources.list as the builder gives them to mmdebstrap, the keys beside them. */
async function lines(sources: AptSource[]): Promise<string[]> {
  const resolved = await resolveSources(sources);
  const keyPath = (index: number): string => bench.at(`key-${String(index)}${resolved[index]!.keyEnding}`);
  for (const [index, { key }] of resolved.entries()) await writeFile(keyPath(index), key);
  return oneLineSources(resolved, keyPath);
}

describe.each([
  ['whole', []],
  ['filtered', ['--package', 'hello', '--with-dependencies']],
])('a %s mirror that a product names', (_kind, limits) => {
  test(
    'is what mmdebstrap makes its base from, by its own key alone',
    async () => {
      await fill(...limits);
      const garage = await garageWith('    sources: [{ mirror: up }]\n');
      const { sources } = await baseOf(garage, productIn(garage), 'amd64');
      expect(sources).toMatchObject([
        { uris: [`${live.url}/mirror/up`], suites: ['stable'], components: ['main'] },
      ]);
      const folder = bench.at('base');
      const options = ['--variant=extract', '--mode=root', '--architectures=amd64', '--include=hello'];
      const made = await run(['mmdebstrap', ...options, 'stable', folder, ...(await lines(sources))], {
        timeoutMs: BASE_MS,
      });
      expect(made.stderr.toString()).not.toMatch(/^E:/m);
      expect(made.code).toBe(0);
      expect((await readFile(path.join(folder, 'usr/share/doc/libhello/content'))).length).toBe(64);
      await rm(folder, { recursive: true });
    },
    BASE_MS,
  );
});

test('what a product takes of a mirror can be less than it holds, and comes from where it is configured to be', async () => {
  await bench.archive.publish({ suite: 'updates' });
  const keyring = await bench.archive.keyring(bench.at('upstream.gpg'));
  await autobuilder('mirror', 'add', 'up', bench.server.url, 'stable', 'updates', '--keyring', keyring);
  await autobuilder('mirror', 'update', 'up');
  const pin = '{ priority: 990, release: "o=Upstream" }';
  const text = `    sources: [{ mirror: up }]\n    extraSources: [{ mirror: up, suites: [updates], pin: ${pin} }]\n`;
  const garage = await garageWith(text);
  const product = productIn(garage);
  expect((await baseOf(garage, product, 'amd64')).sources).toMatchObject([{ suites: ['stable', 'updates'] }]);
  const elsewhere = { ...garage, config: { ...garage.config, mirrorsUrl: `${live.url}/mirror//` } };
  expect(await furtherSources(elsewhere, product, 'amd64')).toMatchObject([
    { uris: [`${live.url}/mirror/up`], suites: ['updates'], pin: { priority: 990, release: 'o=Upstream' } },
  ]);
});

test('a build takes the newer packages of its first queue, though live serves both', async () => {
  await fill();
  const garage = await garageWith('    sources: [{ mirror: up }]\n');
  const base = await resolveSources((await baseOf(garage, productIn(garage), 'amd64')).sources);
  const devel = await new RepositoryAccess(garage).sourceFor(productIn(garage));
  expect(devel?.pin).toMatchObject({ release: 'o=Autobuilder,l=Autobuilder devel,n=bookworm' });
  const key = bench.at('mirror.asc');
  await writeFile(key, base[0]!.key);
  const client = await makeAptClient(bench.repository, live.url, ['devel']);
  await mkdir(bench.at('parts'));
  await writeFile(
    bench.at('parts/mirror.list'),
    `deb [signed-by=${key}] ${live.url}/mirror/up stable main\n`,
  );
  const preferences = bench.at('preferences');
  const options = [
    '-o',
    `Dir::Etc::preferences=${preferences}`,
    '-o',
    `Dir::Etc::sourceparts=${bench.at('parts')}`,
  ];
  const candidate = async (text: string): Promise<string> => {
    await writeFile(preferences, text);
    const { stdout } = await client.apt('apt-cache', 'policy', ...options, 'hello');
    return /Candidate: (.*)/.exec(stdout.toString())?.[1] ?? '';
  };
  expect((await client.apt('apt-get', 'update', ...options)).code).toBe(0);
  expect(await candidate('')).toBe('1.0');
  expect(await candidate(preferencesFor(await resolveSources([devel!]), base))).toBe('2.0');
});

test('a mirror that a product names is removed only when that is meant', async () => {
  await fill();
  await garageWith('    sources: [{ mirror: up }]\n');
  expect((await autobuilder('mirror', 'show', 'up')).out).toMatch(/^products +bookworm$/m);
  const refused = await autobuilder('mirror', 'remove', 'up');
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.err).toContain("The mirror 'up' is a source of bookworm");
  expect(await bench.pool()).toHaveLength(2);
  expect(await autobuilder('mirror', 'remove', 'up', '--force')).toMatchObject({ code: 0 });
});

describe('a mirror that cannot be a source', () => {
  const one = '    sources:\n      - { mirror: up }\n';
  test.each([
    ['is not there', one, false, "There is no mirror 'up'; there are none yet", 'autobuilder mirror add up'],
    ['holds nothing yet', one, true, "The mirror 'up' holds nothing yet", 'autobuilder mirror update up'],
  ])('since it %s', async (_what, product, isAdded, says, hint) => {
    if (isAdded) await bench.add();
    const garage = await garageWith(product);
    await expect(baseOf(garage, productIn(garage), 'amd64')).rejects.toThrow(says);
    expect(await new RepositoryAccess(garage).waitsFor(productIn(garage))).toBe(says);
    const checked = await autobuilder('config', 'check');
    expect(checked.code).toBe(1);
    expect(checked.err).toContain(`error: ${file()}:7: ${says}; `);
    expect(checked.err).toContain(hint);
  });

  test.each([
    [
      'suite',
      'suites: [other]',
      /:7: The mirror 'up' has no suite 'other'; it has: stable; .*set up --suite/,
    ],
    ['component', 'components: [contrib]', /:7: .* has no component 'contrib' in 'stable'; it has: main/],
    [
      'architecture',
      'architectures: [riscv64]',
      /:7: .* has no architecture 'riscv64' in 'stable'; it has: amd64/,
    ],
  ])('since it has no such %s', async (_what, text, says) => {
    await fill();
    await garageWith(`    sources:\n      - { mirror: up, ${text} }\n`);
    expect((await autobuilder('config', 'check')).err).toMatch(says);
  });

  test('since the web server does not show it', async () => {
    await fill();
    const garage = await garageWith(one);
    const hidden = { ...garage, config: { ...garage.config, mirrorsUrl: `${live.url}/elsewhere` } };
    await expect(baseOf(hidden, productIn(hidden), 'amd64')).rejects.toMatchObject({
      code: 'mirror-not-served',
    });
    expect(await new RepositoryAccess(hidden).waitsFor(productIn(hidden))).toContain('is not served at');
    expect(await new RepositoryAccess(garage).waitsFor(productIn(garage))).toBeNull();
    expect((await autobuilder('config', 'check')).out).toContain('ok');
  });
});
