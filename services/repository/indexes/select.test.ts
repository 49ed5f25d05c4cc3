import { expect, test } from 'vitest';
import { groupsByPath, groupsOfText, pathsOf, standingPaths, type IndexedPackage } from './select.ts';

function deb(name: string, architecture: string, more: Partial<IndexedPackage> = {}): IndexedPackage {
  const stanza = `Package: ${name}\nArchitecture: ${architecture}\n`;
  return { component: 'main', kind: 'deb', name, version: '1', architecture, stanza, ...more };
}

const scope = { components: ['main', 'contrib'], architectures: ['amd64', 'i386'] };

function textOf(packages: IndexedPackage[], path: string): string {
  const groups = [...(groupsByPath(packages, scope).get(path)?.values() ?? [])];
  return groups.map((group) => group.text.toString('utf8')).join('');
}

test('every index is there from the start', () => {
  expect(standingPaths(scope)).toEqual(
    ['main', 'contrib'].flatMap((component) =>
      ['source/Sources', 'binary-amd64/Packages', 'binary-i386/Packages'].map(
        (rest) => `${component}/${rest}`,
      ),
    ),
  );
});

test('Architecture: all stands in every architecture of its component only, sorted by name', () => {
  const packages = [deb('zeta', 'amd64'), deb('alpha', 'all')];
  expect(textOf(packages, 'main/binary-amd64/Packages')).toBe(
    'Package: alpha\nArchitecture: all\n\nPackage: zeta\nArchitecture: amd64\n\n',
  );
  expect(textOf(packages, 'main/binary-i386/Packages')).toBe('Package: alpha\nArchitecture: all\n\n');
  expect(textOf(packages, 'contrib/binary-amd64/Packages')).toBe('');
});

test('udebs have indexes of their own', () => {
  const packages = [deb('core', 'amd64', { kind: 'udeb' })];
  expect([...groupsByPath(packages, scope).keys()]).toEqual(['main/debian-installer/binary-amd64/Packages']);
});

test('what is out of scope is in no index', () => {
  expect(pathsOf(deb('odd', 'riscv64'), scope)).toEqual([]);
  expect(pathsOf(deb('odd', 'amd64', { component: 'non-free' }), scope)).toEqual([]);
});

test('text is read back into the groups it was made of', () => {
  const packages = [
    deb('two', 'amd64', { version: '2', stanza: 'Package: two\nVersion: 2' }),
    deb('two', 'amd64', { version: '1', stanza: 'Package: two\nVersion: 1' }),
    deb('one', 'all'),
  ];
  const groups = [...(groupsByPath(packages, scope).get('main/binary-amd64/Packages')?.values() ?? [])];
  expect(groupsOfText(Buffer.concat(groups.map((group) => group.text)))).toEqual(groups);
});
