/** Damage in the pool of staging, and what a repair must not ask of live meanwhile. */
import { readlink, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { checkRepository, type CheckOptions } from '../../services/repository/upkeep/check/run.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const repository = await openTestRepository();
afterAll(() => repository.dispose());
const { home } = repository;
const devel = placesOf(home, 'devel', 'bookworm');
const DEB = 'main/h/hello/hello_1.0_amd64.deb';
const LIVE_DEB = path.join(home.live, 'devel/pool/bookworm', DEB);

async function arrive(source: string): Promise<void> {
  await handOver(repository, await makeSet(repository, { source }));
  await repository.sweep();
  await createRqp(repository).run();
}

/** `code subject outcome` of each finding in devel. */
async function inDevel(options: CheckOptions = {}): Promise<string[]> {
  const findings = await checkRepository(repository, { ...options, queue: 'devel' });
  return findings.map(({ code, subject, outcome }) => `${code} ${subject} ${outcome ?? ''}`.trimEnd());
}

const newest = async (): Promise<string> => path.basename(await readlink(devel.dists));

test('while a file is not the published one, no sync that would stop at it is asked for: news still reach live', async () => {
  await arrive('hello');
  const stray = path.join(devel.pool, 'main/h/hello/stray.deb');
  await writeFile(stray, 'of somebody');
  await rm(LIVE_DEB);
  await writeFile(LIVE_DEB, 'changed');
  expect((await inDevel({ repair: true })).toSorted()).toEqual([
    `live-file-changed live: ${DEB} blocked`,
    'pool-file-stray main/h/hello/stray.deb',
  ]);
  await arrive('news');
  const dists = path.join(home.live, 'devel/dists/bookworm');
  expect(path.basename(await readlink(dists))).toBe(await newest());
  await rm(stray);
  expect(await inDevel({ repair: true })).toEqual([`live-file-changed live: ${DEB} asked`]);
  await createRqp(repository).run();
  expect(await inDevel()).toEqual([]);
});
