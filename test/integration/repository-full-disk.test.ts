/**
 * A disk that is full at any write: what clients see is the old state or the new one, good packages are never blamed,
 * and with room everything goes on by itself.
 */
import { mkdir, rename, truncate } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../shared/process/run.ts';
import { listFiles, makeSet, openTestRepository, writeManifest } from './repository-support.ts';

const TIMEOUT_MS = 10 * 60_000;

interface Try {
  work: string;
  freePages: number;
  error: string | null;
  isFull: boolean;
  isDone: boolean;
  published: string;
  waiting: string[];
}

// Its database and configuration; the child has the repository's folder to itself.
const repository = await openTestRepository();
afterAll(() => repository.dispose());
let lines: (Try & { left?: string[]; reasons?: string[] })[] = [];
let badId = '';

beforeAll(async () => {
  const sets = path.join(repository.home.root, 'for-child');
  await mkdir(path.join(sets, 'sets'), { recursive: true });
  await mkdir(path.join(sets, 'loose'));
  const good = await makeSet(repository, { source: 'good' });
  await rename(good.folder, path.join(sets, 'sets', good.manifest.id));
  const bad = await makeSet(repository, { source: 'bad' });
  await truncate(path.join(bad.folder, 'bad_1.0_amd64.deb'), 200);
  await writeManifest({ ...bad, manifest: { ...bad.manifest, files: await listFiles(bad.folder) } });
  await rename(bad.folder, path.join(sets, 'sets', bad.manifest.id));
  badId = bad.manifest.id;
  const loose = await makeSet(repository, { source: 'loose' });
  for (const { name } of loose.manifest.files) {
    await rename(path.join(loose.folder, name), path.join(sets, 'loose', name));
  }
  const child = path.join(import.meta.dirname, 'full-disk-child.ts');
  const namespace = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount'];
  const result = await run(
    ['unshare', ...namespace, '--propagation', 'private', '--', process.execPath, child, sets],
    { env: { ...repository.env, LOG_LEVEL: 'silent' }, timeoutMs: TIMEOUT_MS },
  );
  if (result.code !== 0) throw new Error(result.stderr.toString());
  const text = result.stdout.toString().trim();
  lines = text.split('\n').map((line) => JSON.parse(line) as Try);
}, TIMEOUT_MS);

describe.each(['sets', 'import'])('%s on a disk that fills up', (work) => {
  const tries = (): Try[] => lines.filter((line) => line.work === work);

  test('ends well as soon as there is room, and fails before', () => {
    expect(tries().length).toBeGreaterThan(3);
    expect(tries()[0]).toMatchObject({ isDone: false, published: 'old' });
    expect(tries().at(-1)).toMatchObject({ isDone: true, published: 'new', waiting: [] });
  });

  test('clients see the old state or the new one, whole, after every try', () => {
    expect(new Set(tries().map((each) => each.published))).toEqual(new Set(['old', 'new']));
  });

  test('nothing but the full disk is in the way', () => {
    const errors = tries().filter((each) => each.error !== null && !each.isFull);
    expect(errors.map((each) => `${String(each.freePages)}: ${each.error ?? ''}`)).toEqual([]);
  });
});

test('a good set waits with the reason in its row and in health; a bad one is refused all the same', () => {
  const waiting = lines.filter((line) => line.work === 'sets' && !line.isDone).map((line) => line.waiting);
  expect(waiting.length).toBeGreaterThan(3);
  for (const codes of waiting) expect(codes).toContain('disk-full');
  expect(lines.find((line) => line.work === 'end of sets')).toMatchObject({ left: [], reasons: [badId] });
});
