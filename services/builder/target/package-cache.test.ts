import { createHash } from 'node:crypto';
import { link, mkdir, mkdtemp, readFile, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BuildLog } from '../logs/build-log.ts';
import type { PlannedPackage } from './dependencies.ts';
import { harvestArchives, inCache, seedArchives, trimCache } from './package-cache.ts';

let workdir: string;
let root: string;
let archives: string;
const quiet = new BuildLog({ write: () => undefined, close: () => undefined }, 1_000_000, () => undefined);

beforeEach(async () => {
  workdir = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-cache-'));
  root = path.join(workdir, 'upper');
  archives = path.join(root, 'var/cache/apt/archives');
  await mkdir(archives, { recursive: true });
});
afterEach(() => rm(workdir, { recursive: true, force: true }));

function planned(name: string, content: string): PlannedPackage {
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { name, size: content.length, sha256 };
}

async function fetched(name: string, content: string): Promise<PlannedPackage> {
  await writeFile(path.join(archives, name), content);
  return planned(name, content);
}

test('what apt fetched is there for the next build', async () => {
  const plan = [await fetched('a_1_all.deb', 'package a'), planned('b_1_all.deb', 'never fetched')];
  await harvestArchives(workdir, root, plan);
  expect(await readdir(archives)).toEqual([]);
  expect(await inCache(workdir, plan)).toEqual([plan[0]]);
  const next = path.join(workdir, 'next');
  await seedArchives(workdir, next, await inCache(workdir, plan));
  expect(await readFile(path.join(next, 'var/cache/apt/archives/a_1_all.deb'), 'utf8')).toBe('package a');
});

test('what a script put in place of a package is not taken in', async () => {
  const good = await fetched('a_1_all.deb', 'package a');
  await writeFile(path.join(archives, 'a_1_all.deb'), 'package X');
  const linked = await fetched('b_1_all.deb', 'package b');
  await rm(path.join(archives, 'b_1_all.deb'));
  await symlink('/etc/hostname', path.join(archives, 'b_1_all.deb'));
  const shared = await fetched('c_1_all.deb', 'package c');
  await link(path.join(archives, 'c_1_all.deb'), path.join(root, 'elsewhere'));
  await harvestArchives(workdir, root, [good, linked, shared]);
  expect(await readdir(path.join(workdir, 'packages'))).toEqual([]);
});

test('what was spoiled on disk is thrown away, and apt fetches it', async () => {
  const plan = [await fetched('a_1_all.deb', 'package a')];
  await harvestArchives(workdir, root, plan);
  await writeFile(path.join(workdir, 'packages', `${plan[0]!.sha256}.deb`), 'package X');
  const next = path.join(workdir, 'next');
  await seedArchives(workdir, next, await inCache(workdir, plan));
  expect(await readdir(path.join(next, 'var/cache/apt/archives'))).toEqual([]);
  expect(await inCache(workdir, plan)).toEqual([]);
});

test('what was not used for longest goes first', async () => {
  const plan = [
    await fetched('a_1_all.deb', 'a'.repeat(100)),
    await fetched('b_1_all.deb', 'b'.repeat(100)),
    await fetched('c_1_all.deb', 'c'.repeat(100)),
  ];
  await harvestArchives(workdir, root, plan);
  const layer = path.join(workdir, 'layers', 'a-layer');
  await mkdir(path.join(layer, 'root'), { recursive: true });
  await writeFile(path.join(layer, 'bytes'), '150');
  await writeFile(path.join(layer, 'in-use'), '');
  for (const [index, name] of ['b', 'layer', 'a', 'c'].entries()) {
    const each = plan.find((one) => one.name.startsWith(name));
    const file = each ? path.join(workdir, 'packages', `${each.sha256}.deb`) : path.join(layer, 'in-use');
    await utimes(file, 1_000 + index, 1_000 + index);
  }
  await trimCache(workdir, 400, quiet);
  expect(await inCache(workdir, plan)).toEqual([plan[0], plan[2]]);
  expect(await readdir(path.join(workdir, 'layers'))).toEqual(['a-layer']);
  await trimCache(workdir, 100, quiet);
  expect(await inCache(workdir, plan)).toEqual([plan[2]]);
  expect(await readdir(path.join(workdir, 'layers'))).toEqual([]);
});
