/** Every kind of bad package in one sweep: each in quarantine with its reason, the good ones published, apt content. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { debOf } from '../support/hostile-deb.ts';
import { BAD_DEBS, ODD_DEBS, type BadDeb } from '../support/hostile-debs.ts';
import {
  handOver,
  listFiles,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  writeManifest,
  type MadeSet,
} from './repository-support.ts';

const repository = await openTestRepository();
afterAll(() => repository.dispose());

const ids = new Map<string, string>();
let number = 0;

/** A set of a source of its own whose only binary is what `make` says. */
async function handOverDeb({ what, make }: Pick<BadDeb, 'what' | 'make'>, base: MadeSet): Promise<void> {
  number += 1;
  const source = `bad${String(number)}`;
  const id = randomUUID();
  const folder = path.join(repository.home.root, 'making', id);
  await mkdir(folder, { recursive: true });
  for (const { name } of base.manifest.files) {
    if (!name.endsWith('.deb')) await link(path.join(base.folder, name), path.join(folder, name));
  }
  const { source: origin, sourceVersion } = base.manifest;
  const control = `Package: ${source}\nSource: ${origin}\nVersion: ${sourceVersion}\nArchitecture: amd64\nMaintainer: Test <test@example.org>\nDescription: a test\n`;
  await writeFile(path.join(folder, `${source}_${sourceVersion}_amd64.deb`), make(control, debOf(control)));
  const manifest = { ...base.manifest, id, files: await listFiles(folder) };
  await writeManifest({ manifest, folder });
  ids.set(what, await handOver(repository, { manifest, folder }));
}

async function rowOf(what: string): Promise<{ status: string; code: string | null; reason: string | null }> {
  const { rows } = await repository.pool.query<{
    status: string;
    code: string | null;
    reason: string | null;
  }>('select status, reason_code as code, reason from sets where id = $1', [ids.get(what)]);
  return rows[0] ?? { status: 'missing', code: null, reason: null };
}

beforeAll(async () => {
  await repository.sweep();
  // One source for all: what is refused of it must not keep the others back.
  const base = await makeSet(repository, { source: 'base' });
  for (const each of BAD_DEBS) await handOverDeb(each, base);
  for (const each of ODD_DEBS) await handOverDeb(each, base);
  ids.set('good', await handOver(repository, await makeSet(repository, { source: 'good' })));
  await repository.sweep();
});

describe('a bad package is refused with its reason', () => {
  test('there are at least forty kinds, each once', () => {
    expect(new Set(BAD_DEBS.map((each) => each.what)).size).toBe(BAD_DEBS.length);
    expect(BAD_DEBS.length).toBeGreaterThanOrEqual(40);
  });

  test.each(BAD_DEBS)('$what', async ({ what, code }) => {
    const row = await rowOf(what);
    expect(row).toMatchObject({ status: 'quarantined', code });
    expect(row.reason).toMatch(/^\P{Cc}{16,}$/u);
    const folder = path.join(repository.home.repository, 'quarantine', ids.get(what) ?? '');
    const reason = await readFile(path.join(folder, 'REASON'), 'utf8');
    const [sentence, , next] = reason.split('\n');
    expect(sentence).toBe(row.reason);
    expect(next).toBe(
      'The package itself is at fault: correct its source, raise the version and build it again.',
    );
    expect(reason).toContain(`\nCode: ${code}\n`);
    expect((await readdir(folder)).length).toBeGreaterThan(2);
  });
});

describe('what is odd and in order goes on', () => {
  test.each(ODD_DEBS)('$what', async ({ what }) => {
    expect(await rowOf(what)).toEqual({ status: 'installed', code: null, reason: null });
  });

  test('and so do good sets, as one generation with nothing of the bad ones', async () => {
    expect(await rowOf('good')).toMatchObject({ status: 'installed' });
    const { dists } = placesOf(repository.home, 'devel', 'bookworm');
    expect(path.basename(await readlink(dists))).toBe('2');
    const incoming = path.join(repository.home.repositoryIncoming, 'devel/bookworm');
    expect(await readdir(incoming)).toEqual([]);
    const { rows } = await repository.pool.query(
      `select count(*)::int as count from packages where kind = 'deb'`,
    );
    expect(rows).toEqual([{ count: ODD_DEBS.length + 1 }]);
  });

  test('apt reads every index of it, without a warning', async () => {
    await createRqp(repository).run();
    const { server, url } = await serveLive(repository);
    const client = await makeAptClient(repository, url, ['devel']);
    const update = await client.apt('apt-get', 'update', '--error-on=any');
    expect(update.stderr.toString()).toBe('');
    expect(update.code).toBe(0);
    const names = (await client.apt('apt-cache', 'pkgnames')).stdout.toString().split('\n');
    expect(names.filter((name) => /^(?:bad\d+|good)$/.test(name))).toHaveLength(ODD_DEBS.length + 1);
    expect((await client.apt('apt-get', 'download', 'good')).code).toBe(0);
    await server.close();
  });
});
