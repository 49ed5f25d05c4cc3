/** Every index of a published queue, against apt-ftparchive and with the clients that read it. */
import { copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDeb822 } from '../../shared/debian/deb822.ts';
import { minimalEnvironment, runChecked } from '../../shared/process/run.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import {
  handOver,
  listFiles,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  writeManifest,
  type AptClient,
  type TestRepository,
} from './repository-support.ts';

const repository = await openTestRepository({ repository: { contentsSource: true } });
const live = await serveLive(repository);
const AT = { queue: 'devel', product: 'bookworm' };

interface Binary {
  name: string;
  architecture?: string;
  type?: 'deb' | 'udeb';
  description?: string;
  files?: string[];
  compression?: 'gzip' | 'xz' | 'zstd' | 'none';
}

/** A set of binaries with descriptions and files of their own; one has the source's name. */
async function arrive(
  own: TestRepository,
  source: string,
  binaries: Binary[],
  version = '1.0',
): Promise<void> {
  const set = await makeSet(own, { source, version });
  for (const each of binaries) await makeDeb(set.folder, { source, version, ...each });
  set.manifest.files = await listFiles(set.folder);
  await writeManifest(set);
  await handOver(own, set);
  await sweepQueue(own, AT);
  await createRqp(own).run();
}

async function makeDeb(folder: string, binary: Binary & { source: string; version: string }): Promise<void> {
  const { name, source, version, architecture = 'amd64', type = 'deb', compression = 'xz' } = binary;
  const tree = path.join(folder, 'tree');
  for (const file of binary.files ?? []) {
    await mkdir(path.dirname(path.join(tree, file)), { recursive: true });
    if (file.endsWith('.link')) await symlink('nowhere', path.join(tree, file));
    else await writeFile(path.join(tree, file), file);
  }
  await mkdir(path.join(tree, 'DEBIAN'), { recursive: true });
  const fields = [
    ...[`Package: ${name}`, `Source: ${source}`, `Version: ${version}`, `Architecture: ${architecture}`],
    ...['Maintainer: Test <test@example.org>', 'Section: utils', 'Priority: optional'],
    `Description: ${binary.description ?? 'a test'}`,
  ];
  await writeFile(path.join(tree, 'DEBIAN/control'), `${fields.join('\n')}\n`);
  const file = path.join(folder, `${name}_${version}_${architecture}.${type}`);
  const options = ['--nocheck', '--root-owner-group', `-Z${compression}`];
  const env = minimalEnvironment({ SOURCE_DATE_EPOCH: '1767225600' });
  await runChecked(['dpkg-deb', ...options, '--build', tree, file], { env });
  await rm(tree, { recursive: true });
}

function index(file: string, own = repository): Promise<Buffer> {
  return readFile(path.join(placesOf(own.home, 'devel', 'bookworm').dists, file));
}

async function contents(name: string): Promise<string> {
  return gunzipSync(await index(name)).toString('utf8');
}

async function ftparchive(...args: string[]): Promise<string> {
  const cwd = path.join(repository.home.staging, 'devel');
  const argv = ['apt-ftparchive', '--arch=amd64', ...args] as const;
  const { stdout } = await runChecked([...argv] as [string, ...string[]], {
    cwd,
    env: minimalEnvironment({ APT_CONFIG: '/dev/null' }),
  });
  return stdout.toString('utf8');
}

/** Sorted, without those of debug symbols. */
function lines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !line.includes('usr/lib/debug'))
    .toSorted();
}

/** What the package apt-file brings: from then on `apt-get update` fetches Contents, here all kinds of them. */
async function teachAptFile(own: { root: string }): Promise<void> {
  const parts = path.join(own.root, 'etc/apt.conf.d');
  await copyFile('/etc/apt/apt.conf.d/50apt-file.conf', path.join(parts, '50apt-file.conf'));
  const enable = ['deb-src::Contents-dsc', 'deb::Contents-udeb'].map(
    (name) => `Acquire::IndexTargets::${name}::DefaultEnabled "true";\n`,
  );
  await writeFile(path.join(parts, '60all'), enable.join(''));
}

async function client(own = repository, url = live.url): Promise<AptClient & { root: string }> {
  const made = await makeAptClient(own, url, ['devel']);
  const root = (await made.apt('pwd')).stdout.toString().trim();
  return { ...made, root };
}

beforeAll(async () => {
  await repository.sweep();
  await createRqp(repository).run();
  const description = 'an example of many words\n The quick brown fox\n .\n jumps over the lazy dog.';
  await arrive(repository, 'sample', [
    {
      name: 'sample',
      description,
      files: ['usr/bin/sample', 'usr/share/sample/größe und mehr', 'usr/lib/sample.link'],
    },
    {
      name: 'sample-data',
      architecture: 'all',
      files: ['usr/share/sample/data', 'usr/share/both'],
      compression: 'zstd',
    },
    { name: 'sample-dbgsym', files: ['usr/lib/debug/sample'], compression: 'none' },
    { name: 'sample-udeb', type: 'udeb', files: ['usr/bin/sample'] },
  ]);
  await arrive(repository, 'other', [
    { name: 'other', files: [`usr/share/${'long/'.repeat(20)}x`, 'usr/share/both'], compression: 'gzip' },
    { name: 'empty', description: 'nothing in it' },
  ]);
});
afterAll(async () => {
  await live.server.close();
  await repository.dispose();
});

describe('the indexes of a queue', () => {
  test('are those that its packages belong to, in gz and xz, Contents in gz, all by hash', async () => {
    const release = await index('Release').then(String);
    const listed = [...release.matchAll(/^ [0-9a-f]{64} +\d+ (.*)$/gm)].map((match) => match[1] ?? '');
    expect(listed.filter((each) => each.endsWith('.gz')).map((each) => each.slice(0, -3))).toEqual([
      ...['main/Contents-amd64', 'main/Contents-i386', 'main/Contents-source'],
      ...['main/Contents-udeb-amd64', 'main/Contents-udeb-i386'],
      ...['main/binary-amd64/Packages', 'main/binary-i386/Packages'],
      ...['main/debian-installer/binary-amd64/Packages', 'main/debian-installer/binary-i386/Packages'],
      ...['main/debug/Contents-amd64', 'main/debug/Contents-i386'],
      ...['main/debug/binary-amd64/Packages', 'main/debug/binary-i386/Packages'],
      ...['main/debug/i18n/Translation-en', 'main/i18n/Translation-en', 'main/source/Sources'],
    ]);
    expect(listed.filter((each) => each.includes('Contents') && each.endsWith('.xz'))).toEqual([]);
    expect(release).toContain('\nComponents: main main/debug\n');
    const sum = / ([0-9a-f]{64}) +\d+ main\/Contents-amd64\.gz/.exec(release)?.[1] ?? '';
    expect(await index(`main/by-hash/SHA256/${sum}`)).toEqual(await index('main/Contents-amd64.gz'));
  });

  test('Packages with short descriptions is what apt-ftparchive makes', async () => {
    const options = ['LongDescription', 'SHA512'].map((name) => `--option=APT::FTPArchive::${name}=false`);
    const expected = parseDeb822(await ftparchive(...options, 'packages', 'pool'));
    const ours = parseDeb822(gunzipSync(await index('main/binary-amd64/Packages.gz')).toString('utf8'));
    const inMain = expected.filter((each) => !/-(?:dbgsym|udeb)$/.test(each.get('Package') ?? ''));
    const sorted = (list: typeof ours): unknown[] =>
      list.map((each) => each.entries()).sort((a, b) => (String(a) < String(b) ? -1 : 1));
    expect(ours).toHaveLength(4);
    expect(sorted(ours)).toEqual(sorted(inMain));
  });

  test('Contents is what apt-ftparchive makes, with the sections that it leaves out', async () => {
    const expected = await ftparchive('contents', 'pool');
    const ours = await contents('main/Contents-amd64.gz');
    expect(ours).toContain('usr/share/both');
    expect(ours).toMatch(/^usr\/bin\/sample\t+ +utils\/sample$/m);
    expect(lines(ours.replaceAll('utils/', ''))).toEqual(lines(expected));
    expect(await contents('main/Contents-udeb-amd64.gz')).toContain('utils/sample-udeb\n');
    expect(await contents('main/Contents-source.gz')).toMatch(/^debian\/changelog\t+ +other,sample$/m);
  });
});

describe('clients', () => {
  test('apt-file finds packages by what they hold', async () => {
    const own = await client();
    await teachAptFile(own);
    expect((await own.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
    const search = async (...args: string[]): Promise<string[]> =>
      (await own.apt('apt-file', ...args)).stdout.toString().trim().split('\n').toSorted();
    expect(await search('search', '/usr/share/both')).toEqual([
      'other: /usr/share/both',
      'sample-data: /usr/share/both',
    ]);
    expect(await search('list', 'sample')).toEqual([
      ...[
        'sample: /usr/bin/sample',
        'sample: /usr/lib/sample.link',
        'sample: /usr/share/sample/größe und mehr',
      ],
    ]);
    expect(await search('-I', 'udeb', 'search', 'bin/sample')).toEqual(['sample-udeb: /usr/bin/sample']);
    expect(await search('-I', 'dsc', 'search', 'debian/control')).toContain('sample: /debian/control');
  });

  test('apt shows and searches long descriptions, and the first lines to those who fetch no translations', async () => {
    const own = await client();
    await own.apt('apt-get', 'update', '--error-on=any');
    const shown = (await own.apt('apt-cache', 'show', 'sample')).stdout.toString();
    expect(shown).toContain(
      'Description-en: an example of many words\n The quick brown fox\n .\n jumps over',
    );
    expect((await own.apt('apt-cache', 'search', 'lazy')).stdout.toString()).toBe(
      'sample - an example of many words\n',
    );
    await writeFile(path.join(own.root, 'etc/apt.conf.d/languages'), 'Acquire::Languages "none";\n');
    await own.apt('apt-get', 'update', '--error-on=any');
    const short = (await own.apt('apt-cache', 'show', 'sample')).stdout.toString();
    expect(short).toContain('Description: an example of many words\n');
    expect(short).not.toContain('quick');
  });

  test('debug symbols are installed from their own component', async () => {
    const own = await client();
    await own.apt('apt-get', 'update', '--error-on=any');
    expect((await own.apt('apt-cache', 'show', 'sample-dbgsym')).code).not.toBe(0);
    const list = path.join(own.root, 'etc/sources.list');
    const [line = ''] = (await readFile(list, 'utf8')).split('\n');
    await writeFile(list, `${line} main/debug\n`);
    expect((await own.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
    const install = await own.apt('apt-get', 'install', '--yes', '--download-only', 'sample-dbgsym');
    expect([install.stderr.toString(), install.code]).toEqual(['', 0]);
  });

  test('the installer finds udebs where it looks for them', async () => {
    const own = await client();
    const list = path.join(own.root, 'etc/sources.list');
    const [line = ''] = (await readFile(list, 'utf8')).split('\n');
    await writeFile(list, `${line}/debian-installer\n`);
    await own.apt('apt-get', 'update', '--error-on=any');
    expect((await own.apt('apt-cache', 'show', 'sample-udeb')).stdout.toString()).toContain(
      'Package: sample-udeb\n',
    );
  });
});

test('an archive in zstd alone, changed step by step, is read by apt and apt-file', async () => {
  const own = await openTestRepository({ repository: { compression: ['zstd'] } });
  const server = await serveLive(own);
  try {
    await own.sweep();
    // Several frames in one file: names at the beginning of chunks come and go.
    const many = Array.from({ length: 400 }, (_, at) => `usr/share/zs/${String(at)}`);
    await arrive(own, 'first', [{ name: 'first', files: many, description: 'first\n with more' }]);
    await arrive(own, 'second', [{ name: 'second', files: ['usr/share/zs/both'] }]);
    const names = (await readdir(placesOf(own.home, 'devel', 'bookworm').dists, { recursive: true })).filter(
      (name) => !name.includes('by-hash') && /\.[a-z]+$/.test(name),
    );
    expect(new Set(names.map((name) => path.extname(name)))).toEqual(new Set(['.zst', '.gpg']));
    const frames = (await index('main/Contents-amd64.zst', own)).toString('latin1').split('\x28\xb5\x2f\xfd');
    expect(frames.length).toBeGreaterThan(2);
    const reader = await client(own, server.url);
    await teachAptFile(reader);
    expect((await reader.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
    expect((await reader.apt('apt-cache', 'show', 'first')).stdout.toString()).toContain('\n with more\n');
    const found = (await reader.apt('apt-file', 'list', 'first')).stdout.toString().trim().split('\n');
    expect(found).toHaveLength(many.length);
  } finally {
    await server.server.close();
    await own.dispose();
  }
});

test('a package that was recorded without its files is read when Contents are first wanted', async () => {
  await repository.pool.query('delete from file_lists');
  const places = placesOf(repository.home, 'devel', 'bookworm');
  const before = await contents('main/Contents-amd64.gz');
  await rename(places.states, `${places.states}.lost`);
  await arrive(repository, 'late', [{ name: 'late', files: ['usr/bin/late'] }]);
  const added = (await contents('main/Contents-amd64.gz'))
    .split('\n')
    .filter((line) => !before.includes(line));
  expect(added).toEqual([expect.stringMatching(/^usr\/bin\/late\t+ +utils\/late$/)]);
  const { rows } = await repository.pool.query('select count(*)::int as count from file_lists');
  expect(rows).toEqual([{ count: 10 }]);
});
