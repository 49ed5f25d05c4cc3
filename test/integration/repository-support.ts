/** A real repository on a database and a home of its own, real sets to hand to it, and a real apt client. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { homeFolders } from '../../shared/config/home.ts';
import { loadConfig } from '../../shared/config/load.ts';
import { hashFile } from '../../shared/files/hash-file.ts';
import { minimalEnvironment, run, runChecked, type RunResult } from '../../shared/process/run.ts';
import type { SetManifest } from '../../shared/protocol/set.ts';
import { repositorySection } from '../../services/repository/config.ts';
import type { Repository } from '../../services/repository/context.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { buildLiveServer } from '../../services/repository/live/server.ts';
import { queueProducts } from '../../services/repository/places.ts';
import { publishKey } from '../../services/repository/signing/publish-key.ts';
import { attachRepository } from './attach-repository.ts';
import { createTestDatabase } from '../support/test-database.ts';

export interface TestRepository extends Repository {
  /** What a child process needs to be of the same installation. */
  env: Record<string, string>;
  /** One sweep of every queue and product. */
  sweep(): Promise<void>;
  /** Stops the repository's clock at a time; null lets it go again. */
  setClock(date: Date | null): void;
  /** Makes the named step throw once; see `Repository.step`. */
  crashAfter(step: string): void;
  /** Steps that were passed since the last call, in order. */
  passed(): string[];
  dispose(): Promise<void>;
}

const SOURCES = [{ uris: ['http://archive.example.org/debian'], suites: ['bookworm'], components: ['main'] }];

/** Opens one for `bookworm` on amd64 and i386; call `dispose` when done. */
export async function openTestRepository(
  overrides: { repository?: z.input<typeof repositorySection>; live?: unknown } = {},
): Promise<TestRepository> {
  const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-test-repository-'));
  await chmod(root, 0o755);
  const database = await createTestDatabase();
  const home = homeFolders(root);
  const products = { bookworm: { architectures: ['amd64', 'i386'], sources: SOURCES } };
  const text = JSON.stringify({
    products,
    ...overrides,
    repository: { listen: '127.0.0.1:0', ...overrides.repository },
  });
  await writeFile(path.join(root, 'autobuilder.yaml'), text);
  delete process.env['AUTOBUILDER_CONFIG'];
  const { sections, ...loaded } = await loadConfig({ repository: repositorySection }, home);
  const common = await loaded.common();
  const crashes = new Set<string>();
  let passed: string[] = [];
  let clock: Date | null = null;
  const repository = await attachRepository(
    { home, common, config: sections.repository, databaseUrl: database.url },
    {
      step: (name) => {
        passed.push(name);
        return crashes.delete(name) ? Promise.reject(new Error(`crash after ${name}`)) : Promise.resolve();
      },
      now: () => clock ?? new Date(),
    },
  );
  await publishKey(repository);
  return {
    ...repository,
    env: minimalEnvironment({ AUTOBUILDER_HOME: root, DATABASE_URL: database.url }),
    sweep: async () => {
      for (const at of queueProducts(common)) await sweepQueue(repository, at);
    },
    setClock: (date) => {
      clock = date;
    },
    crashAfter: (name) => void crashes.add(name),
    passed: () => {
      const names = passed;
      passed = [];
      return names;
    },
    dispose: async () => {
      await repository.close();
      await database.drop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export interface PackageOptions {
  source?: string;
  version?: string;
  /** Of the set. */
  architecture?: string;
  /** Binary packages: name and architecture. Default: one of the source's name for the set's architecture. */
  binaries?: { name: string; architecture: string; version?: string; fields?: Record<string, string> }[];
  /** Goes into the binary, so that the same version can have other contents. */
  content?: string;
  queue?: string;
  component?: string;
}

export interface MadeSet {
  manifest: SetManifest;
  /** Not yet in incoming. */
  folder: string;
}

/** A set in a folder beside incoming: a source by dpkg-source, binaries by dpkg-deb, the manifest. */
export async function makeSet(repository: Repository, options: PackageOptions = {}): Promise<MadeSet> {
  const { source = 'hello', version = '1.0', architecture = 'amd64' } = options;
  const binaries = options.binaries ?? [{ name: source, architecture }];
  const id = randomUUID();
  const folder = path.join(repository.home.root, 'making', id);
  await mkdir(folder, { recursive: true });
  await makeSource(folder, source, version, binaries);
  for (const binary of binaries) {
    await makeBinary(folder, {
      ...binary,
      source,
      sourceVersion: version,
      content: options.content ?? 'same',
    });
  }
  const manifest: SetManifest = {
    ...{ version: 1, id, queue: options.queue ?? 'devel', product: 'bookworm' },
    ...{ component: options.component ?? 'main', source, sourceVersion: version, architecture },
    dsc: `${source}_${version.replace(/^\d+:/, '')}.dsc`,
    files: await listFiles(folder),
    provenance: {
      ...{ uploadId: randomUUID(), uploader: 'maker', signedBy: null, buildId: 1, host: 'builder' },
      builtAt: '2026-01-01T00:00:00Z',
    },
  };
  await writeManifest({ manifest, folder });
  return { manifest, folder };
}

export async function listFiles(folder: string): Promise<SetManifest['files']> {
  const names = (await readdir(folder)).filter((name) => name !== 'manifest.json').toSorted();
  return Promise.all(
    names.map(async (name) => {
      const { size, sums } = await hashFile(path.join(folder, name), ['sha256']);
      return { name, size, sha256: sums['sha256'] ?? '' };
    }),
  );
}

export async function writeManifest(set: MadeSet): Promise<void> {
  await writeFile(path.join(set.folder, 'manifest.json'), JSON.stringify(set.manifest));
}

/** Puts it into incoming by one rename, as garage does. */
export async function handOver(
  repository: Repository,
  set: MadeSet,
  name = set.manifest.id,
): Promise<string> {
  const parent = path.join(repository.home.repositoryIncoming, set.manifest.queue, set.manifest.product);
  await mkdir(parent, { recursive: true });
  await rename(set.folder, path.join(parent, name));
  return set.manifest.id;
}

async function makeSource(
  folder: string,
  source: string,
  version: string,
  binaries: { name: string; architecture: string }[],
): Promise<void> {
  const tree = path.join(folder, `${source}-tree`);
  await mkdir(path.join(tree, 'debian', 'source'), { recursive: true });
  const stanzas = binaries.map(
    ({ name, architecture }) =>
      `Package: ${name}\nArchitecture: ${architecture === 'all' ? 'all' : 'any'}\nDescription: a test\n`,
  );
  const control = `Source: ${source}\nSection: misc\nPriority: optional\nMaintainer: Test <test@example.org>\n`;
  await writeFile(path.join(tree, 'debian/control'), [control, ...stanzas].join('\n'));
  await writeFile(path.join(tree, 'debian/source/format'), '3.0 (native)\n');
  await writeFile(
    path.join(tree, 'debian/changelog'),
    `${source} (${version}) bookworm; urgency=low\n\n  * Test.\n\n -- Test <test@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n`,
  );
  const env = minimalEnvironment({ SOURCE_DATE_EPOCH: '1767225600' });
  await runChecked(['dpkg-source', '--build', tree], { cwd: folder, env });
  await rm(tree, { recursive: true });
}

async function makeBinary(
  folder: string,
  binary: {
    name: string;
    architecture: string;
    version?: string;
    source: string;
    sourceVersion: string;
    content: string;
    fields?: Record<string, string>;
  },
): Promise<void> {
  const tree = path.join(folder, 'binary-tree');
  await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
  await mkdir(path.join(tree, 'usr/share/doc', binary.name), { recursive: true });
  await writeFile(path.join(tree, 'usr/share/doc', binary.name, 'content'), binary.content);
  const version = binary.version ?? binary.sourceVersion;
  const origin =
    binary.name === binary.source && version === binary.sourceVersion
      ? ''
      : `Source: ${binary.source} (${binary.sourceVersion})\n`;
  const fields = Object.entries(binary.fields ?? {}).map(([name, value]) => `${name}: ${value}\n`);
  await writeFile(
    path.join(tree, 'DEBIAN/control'),
    `Package: ${binary.name}\n${origin}Version: ${version}\nArchitecture: ${binary.architecture}\nMaintainer: Test <test@example.org>\n${fields.join('')}Description: a test\n`,
  );
  const env = minimalEnvironment({ SOURCE_DATE_EPOCH: '1767225600' });
  await runChecked(['dpkg-deb', '--root-owner-group', '--build', tree, folder], { env });
  await rm(tree, { recursive: true });
}

/** A live server on a free port. */
export async function serveLive(repository: Repository): Promise<{ server: FastifyInstance; url: string }> {
  const { home, common, log } = repository;
  for (const folder of [home.live, home.mirrors]) await mkdir(folder, { recursive: true });
  const server = await buildLiveServer({ root: home.live, mirrors: home.mirrors, common, log });
  return { server, url: await server.listen({ host: '127.0.0.1', port: 0 }) };
}

export interface AptClient {
  /** Any apt tool with this client's private root. */
  apt(command: string, ...args: string[]): Promise<RunResult>;
}

/** An apt that knows nothing but the given queues of `url`, trusting the key that live publishes. */
export async function makeAptClient(
  repository: Repository,
  url: string,
  queues: readonly string[],
  architecture = 'amd64',
): Promise<AptClient> {
  const root = await mkdtemp(path.join(repository.home.root, 'apt-'));
  for (const name of [
    'etc/preferences.d',
    'etc/apt.conf.d',
    'state/lists/partial',
    'cache/archives/partial',
  ]) {
    await mkdir(path.join(root, name), { recursive: true });
  }
  const key = path.join(root, 'archive-key.asc');
  await writeFile(key, await (await fetch(`${url}/archive-key.asc`)).text());
  const lines = queues.flatMap((queue) =>
    ['deb', 'deb-src'].map((type) => `${type} [signed-by=${key}] ${url}/${queue} bookworm main\n`),
  );
  await writeFile(path.join(root, 'etc/sources.list'), lines.join(''));
  await writeFile(path.join(root, 'state/status'), '');
  const options = {
    'Dir::Etc': path.join(root, 'etc'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State': path.join(root, 'state'),
    'Dir::State::status': path.join(root, 'state/status'),
    'Dir::Cache': path.join(root, 'cache'),
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'APT::Get::AllowUnauthenticated': 'false',
    'Acquire::http::Proxy': 'DIRECT',
    'Acquire::Retries': '0',
    'Debug::NoLocking': 'true',
  };
  const config = path.join(root, 'apt.conf');
  const settings = Object.entries(options).map(([name, value]) => `${name} "${value}";\n`);
  await writeFile(config, settings.join(''));
  return {
    apt: (command, ...args) =>
      run([command, ...args], { cwd: root, env: minimalEnvironment({ APT_CONFIG: config }) }),
  };
}
