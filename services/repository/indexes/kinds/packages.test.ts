import { expect, test } from 'vitest';
import { packagesKind, sourcesKind } from './packages.ts';
import type { IndexedPackage, IndexScope } from './scope.ts';
import { groupsOfText } from './stanzas.ts';
import { translationKind } from './translation.ts';
import type { IndexKind } from './kind.ts';
import { compareNames, type Group } from '../chunks/chunked-index.ts';

function deb(name: string, architecture: string, more: Partial<IndexedPackage> = {}): IndexedPackage {
  const stanza = `Package: ${name}\nArchitecture: ${architecture}\n`;
  return { id: name, component: 'main', kind: 'deb', name, version: '1', architecture, stanza, ...more };
}

const scope: IndexScope = {
  ...{ components: ['main', 'contrib'], architectures: ['amd64', 'i386'], debugComponents: false },
  ...{ translations: false, contents: false, contentsSource: false },
};
const fileLists = () => Promise.resolve(new Map<string, string[]>());

async function groupsAt(
  packages: IndexedPackage[],
  path: string,
  kind: IndexKind,
  own = scope,
): Promise<Group[]> {
  const standing = packages
    .filter((each) => kind.pathsOf(each, own).includes(path))
    .toSorted((a, b) => compareNames(a.name, b.name));
  const groups: Group[] = [];
  for await (const group of kind.groups(standing, { scope: own, fileLists, workFolder: '/' }))
    groups.push(group);
  return groups;
}

async function textOf(
  packages: IndexedPackage[],
  path: string,
  kind = packagesKind,
  own = scope,
): Promise<string> {
  const groups = await groupsAt(packages, path, kind, own);
  return groups.map((group) => group.text.toString('utf8')).join('');
}

test('every index is there from the start', () => {
  expect([...sourcesKind.standing(scope), ...packagesKind.standing(scope)].toSorted()).toEqual(
    ['main', 'contrib']
      .flatMap((component) =>
        ['source/Sources', 'binary-amd64/Packages', 'binary-i386/Packages'].map(
          (rest) => `${component}/${rest}`,
        ),
      )
      .toSorted(),
  );
});

test('Architecture: all stands in every architecture of its component only, sorted by name', async () => {
  const packages = [deb('zeta', 'amd64'), deb('alpha', 'all')];
  expect(await textOf(packages, 'main/binary-amd64/Packages')).toBe(
    'Package: alpha\nArchitecture: all\n\nPackage: zeta\nArchitecture: amd64\n\n',
  );
  expect(await textOf(packages, 'main/binary-i386/Packages')).toBe('Package: alpha\nArchitecture: all\n\n');
  expect(await textOf(packages, 'contrib/binary-amd64/Packages')).toBe('');
});

test('udebs have indexes of their own', () => {
  expect(packagesKind.pathsOf(deb('core', 'amd64', { kind: 'udeb' }), scope)).toEqual([
    'main/debian-installer/binary-amd64/Packages',
  ]);
});

test('debug symbols have a component of their own, or stand among the others', () => {
  const symbols = deb('hello-dbgsym', 'amd64');
  const separate = { ...scope, debugComponents: true };
  expect(packagesKind.pathsOf(symbols, separate)).toEqual(['main/debug/binary-amd64/Packages']);
  expect(packagesKind.families(separate)).toContainEqual(
    ['amd64', 'i386'].map((architecture) => `contrib/debug/binary-${architecture}/Packages`),
  );
  expect(packagesKind.pathsOf(symbols, scope)).toEqual(['main/binary-amd64/Packages']);
});

test('what is out of scope is in no index', () => {
  const all = { ...scope, translations: true };
  for (const odd of [deb('odd', 'riscv64'), deb('odd', 'amd64', { component: 'non-free' })]) {
    for (const kind of [packagesKind, sourcesKind, translationKind])
      expect(kind.pathsOf(odd, all)).toEqual([]);
  }
});

test('text is read back into the groups it was made of', async () => {
  const packages = [
    deb('two', 'amd64', { version: '2', stanza: 'Package: two\nVersion: 2' }),
    deb('two', 'amd64', { version: '1', stanza: 'Package: two\nVersion: 1' }),
    deb('one', 'all'),
  ];
  const groups = await groupsAt(packages, 'main/binary-amd64/Packages', packagesKind);
  expect(groupsOfText(Buffer.concat(groups.map((group) => group.text)))).toEqual(groups);
});

test('descriptions move into Translation-en, one for all architectures that share it', async () => {
  const own = { ...scope, translations: true };
  const stanza = 'Package: hello\nDescription: short\n long\nTag: x\n';
  const packages = [deb('hello', 'amd64', { stanza }), deb('hello', 'i386', { stanza })];
  const sum = 'Description-md5: bba43c8f560fd5a52434fa8956b90803';
  expect(await textOf(packages, 'main/binary-amd64/Packages', packagesKind, own)).toBe(
    `Package: hello\nDescription: short\n${sum}\nTag: x\n\n`,
  );
  expect(await textOf(packages, 'main/i18n/Translation-en', translationKind, own)).toBe(
    `Package: hello\n${sum}\nDescription-en: short\n long\n\n`,
  );
});
