/** Imports that are cut off at any moment and run again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { run } from '../../shared/process/run.ts';
import { waitFor } from '../support/wait.ts';
import { addPackages, bring, freshRepository, held } from './import-support.ts';
import { makeSet } from './repository-support.ts';

const CLI = path.resolve(import.meta.dirname, '../../bin/autobuilder');

describe('cut off', () => {
  test('after any step, the next run ends as if it never had been', async () => {
    const repository = await freshRepository();
    const root = path.join(repository.home.root, 'loose');
    for (const source of ['one', 'two']) await addPackages(repository, root, { source });
    await addPackages(repository, root, { source: 'spoilt' });
    await truncate(path.join(root, 'spoilt_1.0_amd64.deb'), 200);
    repository.passed();
    const queues = ['devel', 'testing'] as const;
    await bring(repository, ['directory', root], { queue: queues[0] });
    const steps = [...new Set(repository.passed())].filter((each) =>
      /^import-|^generation-(?:written|staged)$/.test(each),
    );
    expect(steps).toEqual(
      expect.arrayContaining(['import-read', 'import-claimed', 'import-placed', 'import-recorded']),
    );
    for (const step of steps) {
      repository.crashAfter(step);
      await bring(repository, ['directory', root], { queue: 'testing' }).catch(() => undefined);
      const report = await bring(repository, ['directory', root], { queue: 'testing' });
      expect(report).toMatchObject({ found: 6, taken: 5, refused: 1 });
      expect(await held(repository, 'testing')).toEqual(await held(repository));
      await repository.pool.query(`delete from members where queue = 'testing'`);
      await repository.pool.query('delete from import_items');
      await rm(placesOf(repository.home, 'testing', 'bookworm').pool, { recursive: true });
    }
  });

  test('by kill -9 of the command: run again it doubles nothing and loses nothing', async () => {
    const repository = await freshRepository();
    const root = path.join(repository.home.root, 'loose');
    const set = await makeSet(repository, { source: 'many' });
    const deb = path.join(set.folder, 'many_1.0_amd64.deb');
    await mkdir(root);
    // The same package under many names: all but one are there twice, and each must be read.
    for (let number = 0; number < 1_500; number += 1)
      await copyFile(deb, path.join(root, `many-${String(number)}.deb`));
    const args = ['import', 'directory', root, '--queue', 'devel', '--json'];
    const child = spawn(CLI, args, { env: repository.env, stdio: 'ignore' });
    const stored = async (): Promise<number> => {
      const { rows } = await repository.pool.query<{ count: number }>(
        'select count(*)::int as count from import_items',
      );
      return rows[0]?.count ?? 0;
    };
    await waitFor('some packages to be read', async () => ((await stored()) > 0 ? true : null));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await held(repository)).toEqual([]);
    const again = await run([CLI, ...args], { env: repository.env, timeoutMs: 120_000 });
    expect(again.stderr.toString()).toMatch(/reading 1500 of 1500 \(100%\)/);
    expect(again.code).toBe(1); // some were refused
    expect(JSON.parse(again.stdout.toString())).toMatchObject({
      found: 1_500,
      taken: 1,
      refused: 1_499,
      added: 1,
    });
    expect(await held(repository)).toEqual(['many 1.0 amd64 main']);
    expect(
      await readdir(path.join(placesOf(repository.home, 'devel', 'bookworm').pool, 'main/m/many')),
    ).toHaveLength(1);
  });
});
