import { expect, test } from 'vitest';
import { selectIndexes, type IndexedPackage } from './select.ts';

function deb(name: string, architecture: string, more: Partial<IndexedPackage> = {}): IndexedPackage {
  const stanza = `Package: ${name}\nArchitecture: ${architecture}\n`;
  return { component: 'main', kind: 'deb', name, version: '1', architecture, stanza, ...more };
}

const scope = { components: ['main', 'contrib'], architectures: ['amd64', 'i386'] };

test('every index is there from the start, empty', () => {
  expect(selectIndexes([], scope)).toEqual(
    ['main', 'contrib'].flatMap((component) =>
      ['source/Sources', 'binary-amd64/Packages', 'binary-i386/Packages'].map((rest) => ({
        path: `${component}/${rest}`,
        text: '',
      })),
    ),
  );
});

test('Architecture: all stands in every architecture of its component only, sorted by name', () => {
  const indexes = selectIndexes([deb('zeta', 'amd64'), deb('alpha', 'all')], scope);
  const text = (path: string): string => indexes.find((index) => index.path === path)?.text ?? 'missing';
  expect(text('main/binary-amd64/Packages')).toBe(
    'Package: alpha\nArchitecture: all\n\nPackage: zeta\nArchitecture: amd64\n\n',
  );
  expect(text('main/binary-i386/Packages')).toBe('Package: alpha\nArchitecture: all\n\n');
  expect(text('contrib/binary-amd64/Packages')).toBe('');
});

test('udebs have indexes of their own', () => {
  const indexes = selectIndexes([deb('core', 'amd64', { kind: 'udeb' })], scope);
  const withText = indexes.filter((index) => index.text !== '').map((index) => index.path);
  expect(withText).toEqual(['main/debian-installer/binary-amd64/Packages']);
});
