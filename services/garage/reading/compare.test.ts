import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runChecked } from '../../../shared/process/run.ts';
import { comparePackages } from './compare-packages.ts';
import { compareInstalled, isUpgrade } from './compare.ts';
import { readPackages, type BuiltPackage } from './deb-contents.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'compare-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Made {
  version: string;
  depends: string;
  files: Record<string, string>;
  link?: string;
}

/** A real package, made by dpkg-deb. */
async function makeDeb(name: string, { version, depends, files, link = 'tool' }: Made): Promise<string> {
  const tree = path.join(folder, `${name}-${version}`);
  const write = async (file: string, text: string): Promise<void> => {
    await mkdir(path.dirname(path.join(tree, file)), { recursive: true });
    await writeFile(path.join(tree, file), text);
  };
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: Package Tester <tester@example.org>\nDepends: ${depends}\nDescription: for a test\n`;
  await write('DEBIAN/control', control);
  for (const [file, text] of Object.entries(files)) await write(file, text);
  await symlink(link, path.join(tree, 'usr/bin/alias'));
  const deb = `${name}_${version}_amd64.deb`;
  await runChecked(['dpkg-deb', '--root-owner-group', '-b', tree, path.join(folder, deb)]);
  return deb;
}

async function packagesOf(...names: string[]): Promise<BuiltPackage[]> {
  return readPackages(folder, names);
}

const COMMON = { 'usr/bin/tool': 'x', 'usr/share/doc/tool/with space': 'y' };

test('packages are compared as debdiff compares them: fields, files, links, sizes', async () => {
  const before = await packagesOf(
    await makeDeb('tool', {
      version: '1.0',
      depends: 'libtool1 (= 1.0), libc6',
      files: { ...COMMON, 'usr/share/old.txt': 'o' },
    }),
    await makeDeb('gone', { version: '1.0', depends: 'libc6', files: COMMON }),
  );
  const after = await packagesOf(
    await makeDeb('tool', {
      version: '2.0',
      depends: 'libtool1 (= 2.0), libc6 (>= 2.37)',
      files: { ...COMMON, 'usr/share/new.txt': 'n', 'usr/share/doc/tool/with space': '' },
      link: 'other',
    }),
    await makeDeb('same', { version: '2.0', depends: 'libc6', files: COMMON }),
  );
  expect(after[0]?.files).toContainEqual({
    ...{ path: '/usr/bin/tool', mode: '-rw-r--r--', owner: 'root/root', size: 1, link: null },
  });
  const [gone, same, tool] = comparePackages(before, after);
  expect(gone).toMatchObject({ name: 'gone', change: 'removed', size: { to: null } });
  expect(same).toMatchObject({ name: 'same', change: 'added', size: { from: null } });
  expect(tool).toMatchObject({
    change: 'changed',
    fields: [
      {
        field: 'Depends',
        from: 'libtool1 (= ${version}), libc6',
        to: 'libtool1 (= ${version}), libc6 (>= 2.37)',
      },
    ],
    files: {
      added: ['/usr/share/new.txt'],
      removed: ['/usr/share/old.txt'],
      altered: ['/usr/bin/alias (-> tool -> other)', '/usr/share/doc/tool/with space (1 -> 0 bytes)'],
    },
  });
});

test('a new version of the same content is the same', async () => {
  const made = { depends: 'libx (= 3.0)', files: COMMON };
  const before = await packagesOf(await makeDeb('still', { ...made, version: '3.0' }));
  const after = await packagesOf(
    await makeDeb('still', { ...made, depends: 'libx (= 4.0)', version: '4.0' }),
  );
  expect(comparePackages(before, after)).toMatchObject([{ name: 'still', change: 'same' }]);
});

test('what is no package, or one that means harm, is left out', async () => {
  await writeFile(path.join(folder, 'text.deb'), 'the package of nobody\n'.repeat(1_000));
  expect(await packagesOf('text.deb', 'missing.deb')).toEqual([]);
});

test('build-dependencies by .buildinfo where both have one, else by what apt set up', () => {
  const before = {
    buildinfo: { gcc: '12.2.0-3', old: '1', same: '1' },
    setUp: { gcc: '12.2.0-3', old: '1' },
  };
  const after = { buildinfo: { gcc: '12.3.0-1', new: '2', same: '1' }, setUp: { gcc: '12.3.0-1' } };
  expect(compareInstalled(before, after)).toEqual({
    by: 'buildinfo',
    count: 3,
    changes: [
      { name: 'gcc', from: '12.2.0-3', to: '12.3.0-1' },
      { name: 'new', from: null, to: '2' },
      { name: 'old', from: '1', to: null },
    ],
  });
  expect(compareInstalled(before, { ...after, buildinfo: null })).toMatchObject({ by: 'log', count: 2 });
  expect(compareInstalled(before, { buildinfo: null, setUp: {} })).toBeNull();
  expect(isUpgrade({ name: 'gcc', from: '1:1.0', to: '2.0' })).toBe(false);
  expect(isUpgrade({ name: 'gcc', from: '1.0~rc1', to: '1.0' })).toBe(true);
  expect(isUpgrade({ name: 'gcc', from: null, to: '1.0' })).toBeNull();
});
