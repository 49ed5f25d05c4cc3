/** Existing repositories brought in: loose folders, and what reprepro and aptly themselves made. */
import { chmod, mkdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../services/repository/import/open-source.ts';
import { proposedConfiguration } from '../../services/repository/import/proposal.ts';
import { listOverrides } from '../../services/repository/indexes/override-rows.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { runChecked } from '../../shared/process/run.ts';
import { debOf } from '../support/hostile-deb.ts';
import { BAD_DEBS, ODD_DEBS } from '../support/hostile-debs.ts';
import { addPackages, bring, codes, freshRepository, held } from './import-support.ts';
import { makeAptClient, serveLive } from './repository-support.ts';

describe('a folder of packages', () => {
  test('comes in with its sources, newest versions only, past what is bad; apt takes it', async () => {
    const repository = await freshRepository();
    const root = path.join(repository.home.root, 'loose');
    await addPackages(repository, path.join(root, 'a'), { source: 'hello', version: '1.0' });
    await addPackages(repository, path.join(root, 'b/c'), { source: 'hello', version: '1.0+really2' });
    const both = [
      { name: 'tool', architecture: 'i386' },
      { name: 'tool-data', architecture: 'all' },
    ];
    await addPackages(repository, root, {
      source: 'tool',
      version: '1:3',
      architecture: 'i386',
      binaries: both,
    });
    await addPackages(repository, root, { source: 'cut', version: '1' });
    await truncate(path.join(root, 'cut_1_amd64.deb'), 300);
    await addPackages(repository, root, { source: 'odd', binaries: [{ name: 'odd', architecture: 'mips' }] });
    await writeFile(path.join(root, 'text_1_all.deb'), 'no package');
    await symlink('/etc/hostname', path.join(root, 'link_1_all.deb'));
    await mkdir(path.join(root, 'folder_1_all.deb'));
    const report = await bring(repository, ['directory', root]);
    expect(await held(repository)).toEqual([
      ...['cut 1 source main', 'hello 1.0+really2 amd64 main', 'hello 1.0+really2 source main'],
      ...['odd 1.0 source main', 'tool 1:3 i386 main', 'tool 1:3 source main', 'tool-data 1:3 all main'],
    ]);
    expect(codes(report)).toEqual([
      ...[
        'hello_1.0.dsc: version-older',
        'hello_1.0_amd64.deb: version-older',
        'cut_1_amd64.deb: deb-invalid',
      ],
      ...[
        'link_1_all.deb: file-not-regular',
        'odd_1.0_mips.deb: architecture-unknown',
        'text_1_all.deb: deb-invalid',
      ],
    ]);
    expect(report).toMatchObject({
      found: 13,
      taken: 7,
      older: 2,
      refused: 4,
      added: 7,
      removed: 0,
      generation: 2,
    });

    await createRqp(repository).run();
    const { server, url } = await serveLive(repository);
    const client = await makeAptClient(repository, url, ['devel'], 'i386');
    expect((await client.apt('apt-get', 'update')).code).toBe(0);
    expect(await client.apt('apt-get', 'download', 'tool', 'tool-data')).toMatchObject({ code: 0 });
    expect(await client.apt('apt-get', '--download-only', 'source', 'tool')).toMatchObject({ code: 0 });
    await server.close();

    const again = await bring(repository, ['directory', root]);
    expect(again).toMatchObject({ found: 13, taken: 7, added: 0, removed: 0, generation: null });
    await addPackages(repository, root, { source: 'hello', version: '2.0' });
    expect(await bring(repository, ['directory', root])).toMatchObject({
      added: 2,
      removed: 2,
      generation: 3,
    });
    const { rows } = await repository.pool.query('select count(*)::int as count from file_lists');
    expect(rows).toEqual([{ count: 4 }]);
  });

  test('past every kind of bad package; what is odd and in order comes in', async () => {
    const repository = await freshRepository();
    const root = path.join(repository.home.root, 'bad');
    await mkdir(root);
    for (const [at, { make }] of [...BAD_DEBS, ...ODD_DEBS].entries()) {
      const control = `Package: bad${String(at)}\nVersion: 1\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDescription: a test\n`;
      await writeFile(path.join(root, `${String(at).padStart(3, '0')}.deb`), make(control, debOf(control)));
    }
    const report = await bring(repository, ['directory', root]);
    expect(report).toMatchObject({
      taken: ODD_DEBS.length,
      refused: BAD_DEBS.length,
      added: ODD_DEBS.length,
    });
    expect(codes(report)).toEqual(
      BAD_DEBS.map(({ code }, at) => `${String(at).padStart(3, '0')}.deb: ${code}`),
    );
  });

  test('a dry run says the same and changes nothing', async () => {
    const repository = await freshRepository();
    const root = path.join(repository.home.root, 'loose');
    await addPackages(repository, root, { source: 'hello' });
    const dry = await bring(repository, ['directory', root], { dryRun: true });
    expect(dry).toMatchObject({ found: 2, taken: 2, generation: null });
    expect(await held(repository)).toEqual([]);
    const { rows } = await repository.pool.query('select * from pool_files');
    expect(rows).toEqual([]);
    expect(await bring(repository, ['directory', root])).toMatchObject({ found: 2, taken: 2, added: 2 });
  });

  test('what nobody else can write to is linked, the rest is copied; modes can be forced', async () => {
    const repository = await freshRepository();
    const root = path.join(repository.home.root, 'loose');
    for (const source of ['own', 'open', 'forced']) await addPackages(repository, root, { source });
    await chmod(path.join(root, 'open_1.0_amd64.deb'), 0o666);
    await bring(repository, ['directory', root]);
    const { pool } = placesOf(repository.home, 'devel', 'bookworm');
    const isLinked = async (queuePool: string, source: string): Promise<boolean> => {
      const name = `${source}_1.0_amd64.deb`;
      const [own, theirs] = [
        path.join(queuePool, `main/${source.slice(0, 1)}`, source, name),
        path.join(root, name),
      ];
      expect(await readFile(own)).toEqual(await readFile(theirs));
      return (await stat(own)).ino === (await stat(theirs)).ino;
    };
    expect([await isLinked(pool, 'own'), await isLinked(pool, 'open')]).toEqual([true, false]);
    await bring(repository, ['directory', root], { queue: 'testing', mode: 'copy' });
    expect(await isLinked(placesOf(repository.home, 'testing', 'bookworm').pool, 'own')).toBe(false);
  });

  test('another content under a published name, and a name of another source, are refused', async () => {
    const repository = await freshRepository();
    const first = path.join(repository.home.root, 'first');
    await addPackages(repository, first, { source: 'fixed' });
    await addPackages(repository, first, {
      source: 'owner',
      binaries: [{ name: 'thing', architecture: 'amd64' }],
    });
    await bring(repository, ['directory', first]);
    const second = path.join(repository.home.root, 'second');
    await addPackages(repository, second, { source: 'fixed', content: 'other' });
    const taken = [{ name: 'thing', architecture: 'amd64', version: '9' }];
    await addPackages(repository, second, { source: 'thief', binaries: taken });
    const report = await bring(repository, ['directory', second]);
    expect(codes(report)).toEqual(['fixed_1.0_amd64.deb: file-exists', 'thing_9_amd64.deb: binary-taken']);
    expect(report.problems[0]?.reason).toBe(
      'File fixed_1.0_amd64.deb already exists in bookworm, but uploaded version has different contents.',
    );
    expect(report).toMatchObject({ added: 1 }); // the thief's source
  });
});

describe('what reprepro made', () => {
  const DISTRIBUTION = `Origin: Example
Label: Example Packages
Suite: stable
Codename: bookworm
Components: main contrib
UDebComponents: main
Architectures: amd64 i386 source
DebOverride: override
`;

  test('comes in with components, overrides and sums held; a changed file is named', async () => {
    const repository = await freshRepository();
    const packages = path.join(repository.home.root, 'packages');
    await addPackages(repository, packages, { source: 'hello', version: '2.0' });
    await addPackages(repository, packages, { source: 'spoilt' });
    await addPackages(repository, packages, { source: 'extra' });
    await addPackages(repository, packages, {
      source: 'both',
      architecture: 'i386',
      binaries: [{ name: 'both', architecture: 'all' }],
    });
    const base = path.join(repository.home.root, 'reprepro');
    await mkdir(path.join(base, 'conf'), { recursive: true });
    await writeFile(path.join(base, 'conf/distributions'), DISTRIBUTION);
    await writeFile(path.join(base, 'conf/override'), 'hello Section net\nhello Priority important\n');
    const plain = ['--section', 'misc', '--priority', 'optional'];
    const include = (name: string, ...options: string[]): Promise<unknown> =>
      runChecked([
        ...(['reprepro', '--basedir', base, ...options] as const),
        ...[name.endsWith('.dsc') ? 'includedsc' : 'includedeb', 'bookworm', path.join(packages, name)],
      ]);
    await include('hello_2.0.dsc', ...plain);
    await include('hello_2.0_amd64.deb');
    await include('spoilt_1.0.dsc', ...plain);
    await include('spoilt_1.0_amd64.deb', ...plain);
    await include('both_1.0_all.deb', ...plain);
    await include('extra_1.0_amd64.deb', '--component', 'contrib', ...plain);
    const spoilt = path.join(base, 'pool/main/s/spoilt/spoilt_1.0_amd64.deb');
    const bytes = await readFile(spoilt);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(spoilt, bytes);

    const report = await bring(repository, ['reprepro', base, { distribution: 'stable' }]);
    expect(codes(report)).toEqual([
      'extra_1.0_amd64.deb: component-unknown',
      'spoilt_1.0_amd64.deb: file-sum-differs',
    ]);
    expect(report.problems[1]).toMatchObject({
      path: 'pool/main/s/spoilt/spoilt_1.0_amd64.deb',
      reason: 'md5sum for spoilt_1.0_amd64.deb does not match that specified in the index',
    });
    expect(await held(repository)).toEqual([
      ...['both 1.0 all main', 'hello 2.0 amd64 main', 'hello 2.0 source main', 'spoilt 1.0 source main'],
    ]);
    // An override of the old archive is one here: it holds for later versions too.
    const overrides = await listOverrides(repository.pool, { product: 'bookworm', name: 'hello', limit: 10 });
    expect(overrides).toMatchObject([{ kind: 'deb', queue: 'devel', section: 'net', priority: 'important' }]);
    const { dists } = placesOf(repository.home, 'devel', 'bookworm');
    const index = gunzipSync(await readFile(path.join(dists, 'main/binary-amd64/Packages.gz'))).toString();
    expect(/^Package: hello\n[^]*?\n\n/m.exec(index)?.[0]).toMatch(/Priority: important\nSection: net\n/);

    const { facts } = await openSource('reprepro', base, {});
    const [product] = repository.common.products;
    const proposal = proposedConfiguration(facts, {
      ...{ name: repository.common.name, queue: { name: 'devel', notAutomatic: true } },
      product: { name: 'bookworm', components: product!.components, architectures: product!.architectures },
    });
    expect(proposal).toContain('name: Example\n');
    expect(proposal).toContain('      - contrib');
    expect(proposal).toContain("# Label was 'Example Packages' and becomes 'Example devel'");
    expect(proposal).toContain("# Suite was 'stable' and becomes 'bookworm'");
  });

  test('a folder that is none of reprepro, and one without packages, are said to be that', async () => {
    const repository = await freshRepository();
    const folder = path.join(repository.home.root, 'mistyped');
    await expect(openSource('reprepro', folder, {})).rejects.toMatchObject({ code: 'import-root-missing' });
    await mkdir(folder);
    await writeFile(path.join(folder, 'README'), 'no package\n');
    await expect(openSource('reprepro', folder, {})).rejects.toMatchObject({ code: 'reprepro-conf-missing' });
    await expect(openSource('directory', folder, {})).rejects.toMatchObject({ code: 'import-empty' });
    await addPackages(repository, path.join(folder, 'below'), { source: 'hello', version: '2.0' });
    await expect(bring(repository, ['directory', folder])).resolves.toMatchObject({
      refused: 0,
      generation: 2,
    });
  });

  test('what is not exported yet, and an index that is not what Release says, are named with the next step', async () => {
    const repository = await freshRepository();
    const base = path.join(repository.home.root, 'reprepro');
    await mkdir(path.join(base, 'conf'), { recursive: true });
    await writeFile(
      path.join(base, 'conf/distributions'),
      DISTRIBUTION.replace('DebOverride: override\n', ''),
    );
    await expect(openSource('reprepro', base, {})).rejects.toMatchObject({
      code: 'reprepro-not-exported',
      hint: 'Run: reprepro export bookworm',
    });
    await runChecked(['reprepro', '--basedir', base, 'export']);
    await writeFile(path.join(base, 'dists/bookworm/main/binary-amd64/Packages'), 'Package: sneaked\n');
    await expect(bring(repository, ['reprepro', base])).rejects.toMatchObject({ code: 'index-sum-differs' });
    await expect(openSource('reprepro', base, { distribution: 'trixie' })).rejects.toMatchObject({
      code: 'distribution-unknown',
    });
  });
});

describe('what aptly made', () => {
  test.each(['hardlink', 'symlink', 'copy'])(
    'a published distribution (%s), and a repo straight from its pool',
    async (linkMethod) => {
      const repository = await freshRepository();
      const packages = path.join(repository.home.root, 'packages');
      await addPackages(repository, packages, { source: 'hello', version: '2.0' });
      await addPackages(repository, packages, { source: 'other', architecture: 'i386' });
      const root = path.join(repository.home.root, 'aptly');
      const config = path.join(repository.home.root, 'aptly.conf');
      const endpoints = { own: { rootDir: path.join(root, 'public'), linkMethod } };
      await writeFile(
        config,
        JSON.stringify({ rootDir: root, gpgDisableSign: true, FileSystemPublishEndpoints: endpoints }),
      );
      const aptly = (...args: string[]): Promise<unknown> =>
        runChecked(['aptly', `-config=${config}`, ...args]);
      await aptly('repo', 'create', '-distribution=bookworm', '-component=main', 'mine');
      await aptly('repo', 'add', 'mine', packages);
      await aptly('publish', 'repo', '-skip-signing', 'mine', 'filesystem:own:');
      const all = [
        'hello 2.0 amd64 main',
        'hello 2.0 source main',
        'other 1.0 i386 main',
        'other 1.0 source main',
      ];
      expect(await bring(repository, ['aptly', root])).toMatchObject({ found: 4, taken: 4, refused: 0 });
      expect(await held(repository)).toEqual(all);
      if (linkMethod !== 'hardlink') return;
      await aptly('snapshot', 'create', 'then', 'from', 'repo', 'mine');
      expect(await bring(repository, ['aptly', root, { repo: 'mine' }], { queue: 'testing' })).toMatchObject({
        taken: 4,
      });
      expect(await held(repository, 'testing')).toEqual(all);
      const snapshot = await bring(repository, ['aptly', root, { snapshot: 'then' }], { queue: 'stable' });
      expect(snapshot).toMatchObject({ found: 4, taken: 4, refused: 0 });
      await expect(openSource('aptly', root, { repo: 'missing' })).rejects.toMatchObject({
        code: 'aptly-failed',
      });
    },
  );
});
