import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReleaseIndex } from '../../../shared/debian/indexes.ts';
import { isSegmentStart } from './chunks/chunked-index.ts';
import { makeIndexes } from './engine.ts';
import type { Offer } from './write.ts';
import type { IndexedPackage, IndexScope } from './kinds/scope.ts';

const scope: IndexScope = {
  ...{ components: ['main'], architectures: ['amd64', 'i386'], debugComponents: true },
  ...{ translations: true, contents: true, contentsSource: true },
};
const offer: Offer = { compression: ['gz', 'xz', 'zstd'], plain: false, md5: false };
let root: string;
let next = 0;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'autobuilder-engine-'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

type Content = Map<string, IndexedPackage>;

/** One archive: its states and its generations. */
class Archive {
  readonly #folder = path.join(root, String((next += 1)));
  #number = 0;
  /** Names asked of the database by the last generation; null: everything. */
  asked: readonly string[] | null = [];

  generation(number = this.#number): string {
    return path.join(this.#folder, 'generations', String(number));
  }

  async publish(content: Content, changed: IndexedPackage[], fresh = false): Promise<ReleaseIndex[]> {
    const previous = this.#number > 0 && !fresh ? { number: this.#number, folder: this.generation() } : null;
    this.#number += 1;
    this.asked = [];
    return makeIndexes({
      ...{ scope, offer, number: this.#number, folder: this.generation(), previous },
      ...{
        states: path.join(this.#folder, 'states'),
        date: new Date(1_700_000_000_000 + this.#number * 1000),
      },
      changed,
      listing: async () => {
        this.asked = null;
        return [...content.values()];
      },
      packages: async (wanted) => {
        if ('names' in wanted) this.asked = wanted.names;
        return [...content.values()].filter((each) =>
          'names' in wanted ? wanted.names.includes(each.name) : wanted.ids.includes(each.id),
        );
      },
      fileLists: (ids) => Promise.resolve(new Map(ids.map((id) => [id, pathsOf(id)]))),
    });
  }

  /** What is kept of the texts beside the generations. */
  async textFiles(): Promise<string[]> {
    const folder = path.join(this.#folder, 'states', String(this.#number));
    const names = (await readdir(folder)).filter((name) => name.endsWith('.text'));
    const sizes = await Promise.all(names.map(async (name) => (await stat(path.join(folder, name))).size));
    return names.filter((_, at) => (sizes[at] ?? 0) > 20).map((name) => path.join(folder, name));
  }

  async files(): Promise<Record<string, string>> {
    const names = await readdir(this.generation(), { recursive: true, withFileTypes: true });
    const found = names
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
    const pairs = found.map(async (file) => [
      path.relative(this.generation(), file),
      await readFile(file, 'base64'),
    ]);
    return Object.fromEntries(await Promise.all(pairs)) as Record<string, string>;
  }
}

function made(
  name: string,
  version: string,
  architecture: string,
  kind: IndexedPackage['kind'] = 'deb',
  section: string | null = 'utils',
): IndexedPackage {
  const description = `Description: ${name} ${version}\n long`;
  const head = `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}${section === null ? '' : `\nSection: ${section}`}`;
  const stanza = `${head}\n${description}`;
  const each = { component: 'main', kind, name, version, architecture, stanza };
  return { ...each, id: keyOf(each) };
}
/** Some at the beginning of a segment, some that all share, long ones, and bytes that are no letters. */
const PATHS = [
  ...Array.from({ length: 4_000 }, (_, at) => `usr/share/${at.toString(36)}`).filter((each) =>
    isSegmentStart(each, 256),
  ),
  ...[
    'usr/bin',
    'usr/bin/a',
    'usr/bin/a b',
    `usr/${'long/'.repeat(15)}x`,
    'usr/gr\u00f6\u00dfe',
    'usr/\u0001',
    'usr/end ',
  ],
];

/** What a package holds: told by its id alone, as a file that is read once. */
function pathsOf(id: string): string[] {
  const own = PATHS.filter(
    (_, at) =>
      Math.imul(Buffer.from(id).reduce((sum, byte) => sum * 31 + byte, 7) + at, 0x9e3779b1) >>> 28 < 4,
  );
  return [...own, 'usr/share/all'].sort();
}

const keyOf = (each: Omit<IndexedPackage, 'id'>): string =>
  [each.kind, each.name, each.version, each.architecture].join(' ');

type Change = IndexedPackage | { leaves: number } | { moves: number; section: string | null };

/** Makes the change and says which packages it is about. */
function applyChange(content: Content, change: Change): IndexedPackage[] {
  if ('id' in change) {
    content.set(change.id, change);
    return [change];
  }
  const number = 'leaves' in change ? change.leaves : change.moves;
  const each = [...content.values()][number % Math.max(content.size, 1)];
  if (!each) return [];
  if ('leaves' in change) content.delete(each.id);
  else content.set(each.id, made(each.name, each.version, each.architecture, each.kind, change.section));
  return [each];
}

describe('the index engine', () => {
  it('makes the same files step by step as from nothing, and lists the same', async () => {
    const one = fc
      .tuple(
        fc.constantFrom('a', 'b', 'hello', 'hello-dbgsym', 'z9', 'n4', 'n7'),
        fc.constantFrom('1', '2', '10'),
        fc.constantFrom('amd64', 'i386', 'all'),
        fc.constantFrom<IndexedPackage['kind']>('deb', 'deb', 'source', 'udeb'),
        // Another one for a package that is there is what an override does.
        fc.constantFrom('utils', 'net', null),
      )
      .map(([name, version, architecture, kind, section]) =>
        made(name, version, kind === 'source' ? 'source' : architecture, kind, section),
      );
    // A number picks one that is there: it leaves, or is shown in another section.
    const change = fc.oneof(
      { weight: 3, arbitrary: one },
      { weight: 2, arbitrary: fc.record({ leaves: fc.nat(100) }) },
      {
        weight: 1,
        arbitrary: fc.record({ moves: fc.nat(100), section: fc.constantFrom('utils', 'net', null) }),
      },
    );
    const step = fc.array(change, { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const archive = new Archive();
        const content: Content = new Map();
        let listed = await archive.publish(content, []);
        for (const changes of steps) {
          const changed = changes.flatMap((each) => applyChange(content, each));
          listed = await archive.publish(content, changed);
          expect(archive.asked).not.toBeNull();
        }
        const anew = new Archive();
        expect(await anew.publish(content, [])).toEqual(listed);
        expect(await anew.files()).toEqual(await archive.files());
      }),
      { numRuns: process.env['AUTOBUILDER_LONG'] ? 300 : 12 },
    );
  });

  it('takes untouched indexes over as they are, and asks only for the names that changed', async () => {
    const archive = new Archive();
    const content: Content = new Map(
      [made('hello', '1', 'amd64'), made('other', '1', 'i386')].map((each) => [keyOf(each), each]),
    );
    await archive.publish(content, []);
    const file = 'main/binary-i386/Packages.xz';
    const before = await stat(path.join(archive.generation(), file));
    const newer = made('hello', '2', 'amd64');
    content.set(keyOf(newer), newer);
    await archive.publish(content, [newer]);
    expect(archive.asked).toEqual(['hello']);
    expect((await stat(path.join(archive.generation(), file))).ino).toBe(before.ino);
  });

  it('makes everything anew when what it would start from is damaged', async () => {
    const archive = new Archive();
    const first = made('hello', '1', 'amd64');
    const content: Content = new Map([[keyOf(first), first]]);
    await archive.publish(content, []);
    await truncate(path.join(archive.generation(), 'main/binary-amd64/Packages.gz'), 5);
    const newer = made('hello', '2', 'amd64');
    content.set(keyOf(newer), newer);
    const listed = await archive.publish(content, [newer]);
    expect(archive.asked).toBeNull();
    const anew = new Archive();
    expect(await anew.publish(content, [])).toEqual(listed);
  });

  it.each(['main/binary-amd64/Packages.gz', 'main/binary-amd64/Packages.xz', 'text'])(
    'makes everything anew when one byte of %s is another',
    async (name) => {
      const archive = new Archive();
      const all = Array.from({ length: 300 }, (_, at) => made(`p${String(at)}`, '1', 'amd64'));
      const content: Content = new Map(all.map((each) => [keyOf(each), each]));
      await archive.publish(content, []);
      for (const file of name === 'text'
        ? await archive.textFiles()
        : [path.join(archive.generation(), name)]) {
        const bytes = await readFile(file);
        bytes[bytes.length - 20] = (bytes.at(-20) ?? 0) ^ 1;
        await writeFile(file, bytes);
      }
      const newer = made('p7', '2', 'amd64');
      content.set(keyOf(newer), newer);
      const listed = await archive.publish(content, [newer]);
      expect(archive.asked).toBeNull();
      expect(await new Archive().publish(content, [])).toEqual(listed);
    },
  );

  it('makes everything anew when most changes, with the same bytes', async () => {
    const archive = new Archive();
    const content: Content = new Map();
    await archive.publish(content, []);
    const all = Array.from({ length: 600 }, (_, at) => made(`p${String(at)}`, '1', 'amd64'));
    for (const each of all) content.set(keyOf(each), each);
    const listed = await archive.publish(content, all);
    expect(archive.asked).toBeNull();
    expect(await new Archive().publish(content, [])).toEqual(listed);
  });
});
