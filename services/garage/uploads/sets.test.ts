import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { findSets, MAX_WAIT_S, ORPHAN_AGE_S, type FolderSets } from './sets.ts';
import type { SpoolFolder } from './spool-scan.ts';

const CONFIG = { missingFileGraceS: 30, loneDscGraceS: 60 };
const root = await mkdtemp(path.join(tmpdir(), 'autobuilder-sets-'));
afterAll(() => rm(root, { recursive: true }));

let folder: SpoolFolder;
let count = 0;
beforeEach(async () => {
  count += 1;
  folder = {
    product: 'bookworm',
    login: 'maker',
    path: path.join(root, String(count)),
    entries: new Map(),
    newestMs: 0,
  };
  await mkdir(folder.path);
});

/** A file that came at a second; control files list names. */
async function file(name: string, atS: number, lists: string[] = []): Promise<void> {
  const text = ['Files:', ...lists.map((each) => ` 00 1 misc optional ${each}`), ''].join('\n');
  await writeFile(path.join(folder.path, name), text);
  const changedAtMs = atS * 1000;
  folder.entries.set(name, { name, size: text.length, changedAtMs, isFile: true });
  folder.newestMs = Math.max(folder.newestMs, changedAtMs);
}

const setsAt = (seconds: number, claimed: string[] = []): Promise<FolderSets> =>
  findSets(folder, new Set(claimed), seconds * 1000, CONFIG);

describe('a set', () => {
  test('is taken at once when it is whole', async () => {
    await file('a.tar.xz', 1);
    await file('a.changes', 2, ['a.tar.xz']);
    const sets = await setsAt(2);
    expect(sets).toEqual({
      ready: [{ trigger: 'a.changes', files: ['a.changes', 'a.tar.xz'] }],
      waiting: [],
      logs: [],
    });
  });

  test('waits from the newest arrival in its folder, whatever that is, but not for ever', async () => {
    await file('a.changes', 0, ['a.tar.xz']);
    await file('other', 20);
    expect((await setsAt(49)).waiting).toEqual([
      { trigger: 'a.changes', missing: ['a.tar.xz'], untilMs: 50_000 },
    ]);
    expect((await setsAt(50)).ready).toEqual([{ trigger: 'a.changes', files: ['a.changes'] }]);
    await file('other', MAX_WAIT_S);
    expect((await setsAt(MAX_WAIT_S)).ready).toMatchObject([{ trigger: 'a.changes' }]);
  });

  test('that is whole gets the file that another waits with', async () => {
    await file('orig.tar.xz', 1);
    await file('a.changes', 2, ['orig.tar.xz', 'never']);
    await file('b.changes', 3, ['orig.tar.xz']);
    const sets = await setsAt(3);
    expect(sets.ready).toEqual([{ trigger: 'b.changes', files: ['b.changes', 'orig.tar.xz'] }]);
    expect(sets.waiting).toMatchObject([{ trigger: 'a.changes', missing: ['orig.tar.xz', 'never'] }]);
  });

  test('of a .dsc alone is not made of one that a .changes lists', async () => {
    await file('a_1.dsc', 1, ['a_1.tar.xz']);
    await file('a_1.tar.xz', 1);
    expect((await setsAt(60)).waiting).toEqual([{ trigger: 'a_1.dsc', missing: [], untilMs: 61_000 }]);
    expect((await setsAt(61)).ready).toEqual([{ trigger: 'a_1.dsc', files: ['a_1.dsc', 'a_1.tar.xz'] }]);
    await file('a_1_source.changes', 61, ['a_1.dsc', 'missing']);
    expect(await setsAt(62)).toMatchObject({ ready: [], waiting: [{ trigger: 'a_1_source.changes' }] });
  });

  test('of a .changes that cannot be read takes the .dsc of its name along', async () => {
    await file('a_1.dsc', 1, ['a_1.tar.xz']);
    await file('a_1.tar.xz', 1);
    await file('a_1_source.changes', 2);
    const files = ['a_1_source.changes', 'a_1.dsc', 'a_1.tar.xz'];
    expect((await setsAt(2)).ready).toEqual([{ trigger: 'a_1_source.changes', files }]);
  });

  test('is never made of files that an unfinished upload has', async () => {
    await file('a.tar.xz', 1);
    await file('a.changes', 2, ['a.tar.xz']);
    const names = ['a.changes', 'a.tar.xz'];
    expect(await setsAt(ORPHAN_AGE_S * 2, names)).toEqual({ ready: [], waiting: [], logs: [] });
  });

  test('of orphans is made after a day, all together', async () => {
    await file('x', 0);
    await file('y', 0);
    await file('z', 10);
    expect((await setsAt(ORPHAN_AGE_S)).ready).toEqual([]);
    expect((await setsAt(ORPHAN_AGE_S + 1)).ready).toEqual([{ trigger: 'x', files: ['x', 'y'] }]);
  });
});
