import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contentsDebKind, contentsLine, contentsSourceKind, contentsUdebKind } from './contents.ts';
import type { IndexedPackage, IndexScope } from './scope.ts';

const scope: IndexScope = {
  ...{ components: ['main'], architectures: ['amd64', 'i386'], debugComponents: true },
  ...{ translations: true, contents: true, contentsSource: true },
};
let workFolder: string;
beforeAll(async () => {
  workFolder = await mkdtemp(path.join(tmpdir(), 'contents-'));
});
afterAll(() => rm(workFolder, { recursive: true }));

function deb(name: string, more: Partial<IndexedPackage> = {}): IndexedPackage {
  const stanza = `Package: ${name}\nSection: utils\n`;
  return {
    id: name,
    component: 'main',
    kind: 'deb',
    name,
    version: '1',
    architecture: 'all',
    stanza,
    ...more,
  };
}

const LISTS: Record<string, string[]> = {
  a: ['usr/bin/both', 'usr/bin/only a'],
  b: ['usr/bin/both', 'usr/ends in a blank '],
  bare: ['usr/bin/both'],
};
const fileLists = (ids: readonly string[]) =>
  Promise.resolve(new Map(ids.map((id) => [id, LISTS[id] ?? []])));

async function textOf(packages: IndexedPackage[]): Promise<string> {
  let text = '';
  for await (const group of contentsDebKind.groups(packages, { scope, fileLists, workFolder })) {
    text += group.text.toString('latin1');
  }
  return text;
}

test('a path is one line with every package that holds it, and nothing is left behind', async () => {
  const packages = [deb('b'), deb('a'), deb('bare', { stanza: 'Package: bare\n' })];
  expect(await textOf(packages)).toBe(
    `usr/bin/both\t\t\t\t\t\t    bare,utils/a,utils/b\nusr/bin/only a\t\t\t\t\t\t    utils/a\n`,
  );
  expect(await readdir(workFolder)).toEqual([]);
});

test('a section cannot break out of its line', async () => {
  const evil = deb('a', { stanza: 'Package: a\nSection: x y,z\n' });
  expect(await textOf([evil])).toContain(' xyz/a\n');
});

test('a change edits the lines of its own paths alone', async () => {
  const edits = await contentsDebKind.edits(
    { changed: [deb('a')], after: [] },
    { scope, fileLists, workFolder },
  );
  expect([...edits.keys()]).toEqual(['usr/bin/both', 'usr/bin/only a']);
  const edit = edits.get('usr/bin/both') as (text: Buffer | null) => Buffer | null;
  expect(edit(contentsLine('usr/bin/both', ['utils/a', 'utils/b']))).toEqual(
    contentsLine('usr/bin/both', ['utils/b']),
  );
  expect(edit(contentsLine('usr/bin/both', ['utils/a']))).toBeNull();
});

test('each kind of package has its own', () => {
  expect(contentsDebKind.pathsOf(deb('a'), scope)).toEqual(['main/Contents-amd64', 'main/Contents-i386']);
  expect(contentsDebKind.pathsOf(deb('a-dbgsym'), scope)[0]).toBe('main/debug/Contents-amd64');
  expect(contentsUdebKind.pathsOf(deb('a', { kind: 'udeb' }), scope)[0]).toBe('main/Contents-udeb-amd64');
  const source = deb('a', { kind: 'source', architecture: 'source' });
  expect(contentsSourceKind.pathsOf(source, scope)).toEqual(['main/Contents-source']);
  const without = { ...scope, contents: false, contentsSource: false };
  for (const kind of [contentsDebKind, contentsUdebKind, contentsSourceKind]) {
    expect([
      ...kind.standing(without),
      ...kind.families(without),
      ...kind.pathsOf(deb('a'), without),
    ]).toEqual([]);
  }
});
