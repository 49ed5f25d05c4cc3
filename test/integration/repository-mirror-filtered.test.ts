import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requireMirror } from '../../services/repository/mirror/rows.ts';
import { removeMirror } from '../../services/repository/mirror/run.ts';
import { makeAptClient } from '../support/apt-client.ts';
import { MirrorArchive } from '../support/mirror-archive.ts';
import { readIndex } from '../support/read-index.ts';
import { addMirror, mirrorRoot, poolOf, update } from './mirror-support.ts';
import { openTestRepository, serveLive, type TestRepository } from './repository-support.ts';

let repository: TestRepository;
let archive: MirrorArchive;
const deb = (name: string, version = '1.0', architecture = 'amd64'): string =>
  `pool/main/${name[0] ?? ''}/${name}/${name}_${version}_${architecture}.deb`;

beforeAll(async () => {
  repository = await openTestRepository();
  archive = await MirrorArchive.make(path.join(repository.home.root, 'archive'));
  await archive.add({ name: 'hello', depends: 'libhello (>= 1), mailer', section: 'web', long: 'And more.' });
  await archive.add({ name: 'libhello', architecture: 'all' });
  await archive.add({ name: 'postfix', provides: 'mailer' });
  await archive.add({ name: 'other', section: 'contrib/games', priority: 'extra' });
  await archive.add({ name: 'foreign', architecture: 'i386', section: 'web' });
  await archive.addSource('hello');
  await archive.addSource('other');
});
afterAll(() => repository.dispose());
beforeEach(() => archive.publish());
afterEach(() => removeMirror(repository, 'up', { keepFiles: false }));

type Filter = {
  packages?: string[];
  sections?: string[];
  priorities?: string[];
  also?: string[];
  withDependencies?: boolean;
};
const add = (filter: Filter, more: { sources?: boolean; architectures?: string[] } = {}): Promise<void> =>
  addMirror(repository, archive, `file://${archive.root}`, {
    ...more,
    filter: { packages: [], sections: [], priorities: [], also: [], withDependencies: false, ...filter },
  });

describe('a filtered mirror', () => {
  it.each([
    ['names', { packages: ['hel*', 'o?her'] }, ['hello', 'other']],
    ['sections', { sections: ['games'] }, ['other']],
    ['priorities', { priorities: ['extra', 'required'] }, ['other']],
    ['priorities, and names beside', { priorities: ['extra'], also: ['libh*'] }, ['other', 'libhello']],
    ['all that is given', { packages: ['*'], sections: ['web'] }, ['hello', 'foreign']],
  ])('holds what %s mean', async (_what, filter, expected) => {
    await add(filter);
    await update(repository);
    const names: string[] = (await poolOf(repository)).map((file) => path.basename(file).split('_')[0] ?? '');
    expect(names.toSorted()).toEqual(expected.toSorted());
  });

  it('holds what those depend on too, as apt would choose, and says what nothing satisfies', async () => {
    await archive.add({ name: 'broken', depends: 'nowhere (>= 2) | neither' });
    await archive.publish();
    await add({ packages: ['hello', 'broken'], withDependencies: true });
    const report = await update(repository);
    expect(await poolOf(repository)).toEqual(
      [deb('broken'), deb('hello'), deb('libhello', '1.0', 'all'), deb('postfix')].toSorted(),
    );
    expect(report.unmet).toEqual(['broken: nowhere (>= 2) | neither']);
    expect((await requireMirror(repository.pool, 'up')).unmet).toEqual(report.unmet);
    await archive.remove('broken_1.0_amd64');
  });

  it('holds the sources of what it holds', async () => {
    await add({ sections: ['web'] }, { sources: true });
    await update(repository);
    const files = await poolOf(repository);
    expect(files).toContain('pool/main/h/hello/hello_1.0.dsc');
    expect(files).not.toContain('pool/main/o/other/other_1.0.dsc');
  });

  it('is signed by us, keeps what pins go by, and apt installs from it', async () => {
    await archive.publish({ validUntil: new Date(Date.now() + 3600_000) });
    await add({ packages: ['hello'], withDependencies: true }, { architectures: ['amd64'] });
    await update(repository);
    const dists = path.join(mirrorRoot(repository), 'dists/stable');
    const release = await readFile(path.join(dists, 'Release'), 'utf8');
    const theirs = await readFile(path.join(archive.root, 'dists/stable/Release'), 'utf8');
    for (const field of ['Origin', 'Label', 'Suite', 'Codename', 'Valid-Until']) {
      const line = new RegExp(`^${field}: .*$`, 'm');
      expect(line.exec(release)?.[0]).toBe(line.exec(theirs)?.[0]);
    }
    expect(release).toContain('Architectures: amd64\n');
    expect(await readIndex(path.join(dists, 'main/binary-amd64/Packages.gz'))).not.toContain('other');
    const live = await serveLive(repository);
    const client = await makeAptClient(path.join(repository.home.root, 'client'), {
      ...{ uri: `${live.url}/mirror/up`, suite: 'stable' },
      keyring: path.join(mirrorRoot(repository), 'mirror-key.asc'),
    });
    const updated = await client.apt('apt-get', 'update');
    expect(updated.stderr.toString()).toBe('');
    const translation = await readIndex(path.join(dists, 'main/i18n/Translation-en.gz'));
    expect(translation).toMatch(/^Package: hello\n.*\nDescription-en: a test\n And more\.$/m);
    const fetched = await client.apt('apt-get', 'install', '--download-only', '-y', 'hello');
    expect(fetched.code).toBe(0);
    await live.server.close();
  });

  it('makes a new generation when the archive or the filter changes, and only then', async () => {
    await add({ packages: ['hello'] });
    expect(await update(repository)).toMatchObject({ generation: 1, isChanged: true });
    expect(await update(repository)).toMatchObject({ generation: 1, isChanged: false });
    const settings = `'{"filter": {"packages": ["other"]}}'::jsonb`;
    await repository.pool.query(`update mirrors set settings = settings || ${settings} where name = 'up'`);
    expect(await update(repository)).toMatchObject({ generation: 2, isChanged: true, fetchedFiles: 1 });
    const shown = path.join(mirrorRoot(repository), 'dists/stable/main/binary-amd64/Packages.gz');
    expect(await readIndex(shown)).toMatch(/^Package: other$/m);
    expect(await readIndex(shown)).not.toMatch(/^Package: hello$/m);
  });
});
