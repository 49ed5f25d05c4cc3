import { expect, test } from 'vitest';
import type { Changes } from '../../../shared/debian/changes.ts';
import type { FileEntry } from '../../../shared/protocol/names.ts';
import { checkChanges, checkPromised } from './check-changes.ts';

const NAME = 'hello_2.10-3_amd64.changes';
const EXPECTED = { source: 'hello', version: '1:2.10-3', architecture: 'amd64', binaries: 'both' } as const;

function entry(name: string, size = 10): FileEntry {
  return { name, size, sha256: 'a'.repeat(64) };
}

const FILES = [
  entry(NAME),
  entry('hello_2.10-3_amd64.buildinfo'),
  entry('hello_2.10-3_amd64.deb'),
  entry('hello-doc_2.10-3_all.deb'),
];

function changes(change: Partial<Changes> = {}): Changes {
  const listed = FILES.slice(1).map((file) => ({ ...file, section: 'misc', priority: 'optional' }));
  return {
    source: 'hello',
    version: '1:2.10-3',
    sourceVersion: '1:2.10-3',
    architectures: ['amd64', 'all'],
    files: listed,
    ...change,
  } as Changes;
}

test('what was ordered is taken', () => {
  expect(checkPromised(FILES)).toBe(FILES[0]);
  expect(() => checkChanges(changes(), NAME, FILES, EXPECTED)).not.toThrow();
});

test.each<[string, FileEntry[], string]>([
  ['no .changes', FILES.slice(1), 'exactly one .changes'],
  ['two .changes', [...FILES, entry('other_1_amd64.changes')], 'exactly one .changes'],
  ['a file twice', [...FILES, entry('hello_2.10-3_amd64.deb')], 'twice'],
  ['a strange file', [...FILES, entry('build.log')], "'build.log' is no result"],
  ['no package', FILES.slice(0, 2), 'at least one package'],
  ['too much', [...FILES, entry('big_1_amd64.deb', 2 ** 40)], 'bytes'],
  ['a vast .changes', [entry(NAME, 2 ** 30), ...FILES.slice(1)], 'bytes'],
  ['too many', Array.from({ length: 6_000 }, (_, at) => entry(`p${String(at)}_1_all.deb`)), 'files'],
])('%s is refused before anything is fetched', (_, files, message) => {
  expect(() => checkPromised(files)).toThrow(message);
});

test.each<[string, Partial<Changes>, string]>([
  ['another source', { source: 'bash' }, "of source 'bash'"],
  ['another version', { version: '2.10-3' }, "of version '2.10-3'"],
  ['a rebuild', { version: '1:2.10-3+b1' }, "of version '1:2.10-3+b1'"],
  ['another source version', { sourceVersion: '1:2.10-2' }, 'of version'],
  ['another architecture', { architectures: ['amd64', 'i386'] }, "of architecture 'i386'"],
  ['a source upload', { architectures: ['source', 'amd64'] }, "of architecture 'source'"],
  ['a file that is not listed', { files: changes().files.slice(1) }, 'is not in'],
  [
    'a file that did not come',
    { files: [...changes().files, { ...changes().files[0]!, name: 'x' }] },
    'did not',
  ],
  [
    'another sum',
    { files: changes().files.map((file) => ({ ...file, sha256: 'b'.repeat(64) })) },
    'is not as',
  ],
])('%s is refused', (_, change, message) => {
  expect(() => checkChanges(changes(change), NAME, FILES, EXPECTED)).toThrow(message);
});

test('packages of the other half are refused, whatever the .changes says', () => {
  const build = { ...EXPECTED, binaries: 'any' } as const;
  expect(() => checkChanges(changes({ architectures: ['amd64'] }), NAME, FILES, build)).toThrow(
    "'hello-doc_2.10-3_all.deb' is not of architecture 'amd64'",
  );
});
