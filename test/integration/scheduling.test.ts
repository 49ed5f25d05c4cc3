/** Which build is next: lanes, turns, priorities, features and batches, on real tables; nothing runs. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { relateSources } from '../../services/garage/dispatch/relate.ts';
import { returnBuilds } from '../../services/garage/dispatch/return-builds.ts';
import { releaseHeld } from '../../services/garage/dispatch/release.ts';
import { changeSourceSetting } from '../../services/garage/dispatch/source-settings.ts';
import { openTestGarage, type TestGarage } from '../support/garage.ts';
import { accept, addHostRow, move, take, takeAll } from './scheduling-support.ts';

const sources = [{ uris: ['http://archive.example.org/debian'], suites: ['x'], components: ['main'] }];
let garage: TestGarage;

beforeEach(async () => {
  garage = await openTestGarage({
    products: {
      bookworm: { architectures: ['amd64', 'i386'], sources },
      trixie: { architectures: ['amd64'], sources, requires: ['new-kernel'] },
    },
  });
});
afterEach(() => garage.dispose());

const ON_AMD64 = { architectures: ['amd64'] };

async function batch(uploader: string, count: number, prefix = uploader): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    await accept(garage, { name: `${prefix}${String(number)}`, uploader, ...ON_AMD64 });
  }
}

test('one row for each architecture that applies; all once, on the first', async () => {
  await accept(garage, { name: 'every', architectures: ['any', 'all'] });
  await accept(garage, { name: 'only-all', architectures: ['all'] });
  await accept(garage, { name: 'intel', architectures: ['any-i386', 'hurd-any'] });
  await accept(garage, { name: 'arm', architectures: ['armhf', 'kfreebsd-any'] });
  const { rows } = await garage.pool.query<{ row: string }>(
    `select concat_ws(' ', s.name, b.architecture, b.binaries, b.status) as row
       from builds b join sources s on s.id = b.source_id order by b.id`,
  );
  expect(rows.map(({ row }) => row)).toEqual([
    'every amd64 both needs-build',
    'every i386 any needs-build',
    'only-all amd64 all needs-build',
    'intel i386 any needs-build',
    'arm amd64 any not-for-us',
  ]);
});

test("one uploader's many do not delay another's first, nor do theirs starve", async () => {
  const host = await addHostRow(garage, { name: 'one' });
  await batch('many', 6);
  expect([await take(garage, host), await take(garage, host)]).toEqual(['many1/amd64', 'many2/amd64']);
  await batch('few', 2);
  await batch('late', 1);
  expect(await takeAll(garage, host)).toEqual([
    ...['many3/amd64', 'few1/amd64', 'late1/amd64', 'many4/amd64', 'few2/amd64', 'many5/amd64'],
    'many6/amd64',
  ]);
});

test('a build that comes back has its turn at once, and one that was set to be urgent goes first', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  const first = await accept(garage, { name: 'first', uploader: 'many', ...ON_AMD64 });
  await batch('many', 3);
  expect(await take(garage, host)).toBe('first/amd64');
  await move(garage, first, 'building', 'given-back');
  await move(garage, first, 'given-back', 'needs-build');
  await accept(garage, { name: 'urgent', uploader: 'many', ...ON_AMD64 });
  const source = { product: 'bookworm', name: 'urgent', productRequires: [] };
  await changeSourceSetting(garage.pool, source, { priority: 5 });
  expect(await takeAll(garage, host)).toEqual([
    ...['urgent/amd64', 'first/amd64', 'many1/amd64', 'many2/amd64', 'many3/amd64'],
  ]);
  await accept(garage, { name: 'urgent', version: '2.0', ...ON_AMD64 });
  const { rows } = await garage.pool.query<{ priority: number }>('select priority from builds order by id');
  expect(rows.at(-1)?.priority).toBe(5);
});

test('between lanes whoever has least running goes first, whatever the lanes have behind them', async () => {
  const host = await addHostRow(garage, { name: 'one', architectures: ['amd64', 'i386'] });
  await batch('many', 4);
  for (const name of ['other1', 'other2', 'other3']) {
    await accept(garage, { name, uploader: 'other', architectures: ['i386'] });
  }
  expect(await takeAll(garage, host)).toEqual([
    ...['many1/amd64', 'other1/i386', 'many2/amd64', 'other2/i386', 'many3/amd64', 'other3/i386'],
    'many4/amd64',
  ]);
});

test('features and architectures decide who builds, whether a product or a source asks for them', async () => {
  const plain = await addHostRow(garage, { name: 'plain' });
  const rich = await addHostRow(garage, { name: 'rich', features: ['big-memory', 'new-kernel', 'kvm'] });
  await accept(garage, { name: 'new', product: 'trixie' });
  await accept(garage, { name: 'browser', ...ON_AMD64 });
  await accept(garage, { name: 'small', architectures: ['any'] });
  const browser = { product: 'bookworm', name: 'browser', productRequires: [] };
  await changeSourceSetting(garage.pool, browser, { requires: ['kvm', 'big-memory'] });
  expect(await takeAll(garage, plain)).toEqual(['small/amd64']);
  expect((await takeAll(garage, rich)).sort()).toEqual(['browser/amd64', 'new/amd64']);
  expect(await take(garage, rich)).toBeNull();
});

test("a machine's fault is tried on another host, unless there is none", async () => {
  const [bad, good] = [await addHostRow(garage, { name: 'bad' }), await addHostRow(garage, { name: 'good' })];
  await accept(garage, { name: 'unlucky', ...ON_AMD64 });
  await garage.pool.query('update builds set avoid_host_id = $1', [bad.id]);
  expect(await take(garage, bad, () => false)).toBeNull();
  expect(await take(garage, good, () => false)).toBe('unlucky/amd64');
  await garage.pool.query(`update builds set status = 'given-back'`);
  await garage.pool.query(`update attempts set finished_at = now()`);
  await garage.pool.query(`update builds set status = 'needs-build', avoid_host_id = $1`, [good.id]);
  expect(await take(garage, good, () => true)).toBe('unlucky/amd64');
});

test('a batch builds in the order of its dependencies, whichever came first', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  const batchOf = ON_AMD64;
  const app = await accept(garage, { name: 'app', needs: 'libmid-dev | other, make', ...batchOf });
  const mid = await accept(garage, {
    ...{ name: 'mid', needs: 'libbase-dev (>= 2.0)', provides: ['libmid1', 'libmid-dev'], ...batchOf },
  });
  const base = await accept(garage, {
    ...{ name: 'base', version: '2.0-1', provides: ['libbase-dev', 'base-doc all'], ...batchOf },
  });
  await accept(garage, { name: 'old', needs: 'libbase-dev (<< 2)', ...batchOf });
  await accept(garage, { name: 'none', needs: 'libbase-dev [arm64] <cross>', ...batchOf });
  expect(await takeAll(garage, host)).toEqual(['base/amd64', 'old/amd64', 'none/amd64']);
  for (const [status, next] of [
    ['building', 'built'],
    ['built', 'uploaded'],
  ] as const) {
    await move(garage, base, status, next);
    await releaseHeld(garage);
    expect(await takeAll(garage, host)).toEqual([]);
  }
  await move(garage, base, 'uploaded', 'installed');
  await releaseHeld(garage);
  expect(await takeAll(garage, host)).toEqual(['mid/amd64']);
  await move(garage, mid, 'building', 'attempted'); // the others then go on with what is there
  await releaseHeld(garage);
  expect(await takeAll(garage, host)).toEqual(['app/amd64']);
  expect(app).toBeTruthy();
});

test('what is installed is waited for until it is live', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  const base = await accept(garage, { name: 'base', ...ON_AMD64 });
  await accept(garage, { name: 'user', needs: 'base', ...ON_AMD64 });
  expect(await takeAll(garage, host)).toEqual(['base/amd64']);
  const attempt = await garage.pool.query<{ id: string }>('select id from attempts');
  const generation = (number: number, live: boolean) =>
    garage.pool.query(
      `insert into repository.generations (queue, product, number, status, cause, live_at)
       values ('devel', 'bookworm', $1, $2, 'test', $3)`,
      [number, live ? 'live' : 'staged', live ? new Date() : null],
    );
  await generation(1, true);
  await generation(2, false);
  await garage.pool.query(
    `insert into repository.sets (id, queue, product, source, source_version, architecture, status, generation_id, manifest)
     select $1, 'devel', 'bookworm', 'base', '1.0', 'amd64', 'installed', id, '{}'
       from repository.generations where number = 2`,
    [attempt.rows[0]!.id],
  );
  await move(garage, base, 'building', 'built');
  await move(garage, base, 'built', 'uploaded');
  await move(garage, base, 'uploaded', 'installed');
  await releaseHeld(garage);
  expect(await takeAll(garage, host)).toEqual([]);
  await generation(3, true);
  await releaseHeld(garage);
  expect(await takeAll(garage, host)).toEqual(['user/amd64']);
});

test('arch:all packages are waited for on the architecture that makes them', async () => {
  const host = await addHostRow(garage, { name: 'small', architectures: ['i386'] });
  const docs = await accept(garage, { name: 'docs', provides: ['docs all'], architectures: ['all'] });
  await accept(garage, { name: 'lib', provides: ['lib'], architectures: ['any'] });
  await accept(garage, {
    name: 'user',
    needs: 'docs, lib',
    needsIndep: 'absent',
    architectures: ['any', 'all'],
  });
  expect(await takeAll(garage, host)).toEqual(['lib/i386']);
  await garage.pool.query(`update builds set status = 'installed' where source_id = $1`, [docs]);
  await garage.pool.query(`update builds set status = 'installed' where status = 'building'`);
  await releaseHeld(garage);
  expect(await takeAll(garage, host)).toEqual(['user/i386']);
});

test('a circle does not wait for itself for ever', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  const names = ['hen', 'egg', 'nest'];
  for (const [index, name] of names.entries()) {
    await accept(garage, { name, needs: `${names[(index + 1) % 3]}, ${name}`, ...ON_AMD64 });
  }
  const built: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    built.push(...(await takeAll(garage, host)));
    await garage.pool.query(`update builds set status = 'installed' where status = 'building'`);
    await releaseHeld(garage);
  }
  expect(built.toSorted()).toEqual(['egg/amd64', 'hen/amd64', 'nest/amd64']);
});

test('a source whose folder is not at its place yet is held until it is', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  await accept(garage, { name: 'slow', ...ON_AMD64 }, false);
  expect(await takeAll(garage, host)).toEqual([]);
  await relateSources(garage);
  expect(await takeAll(garage, host)).toEqual(['slow/amd64']);
});

test('a newer version takes the place of one that waits, for those that wait for it too', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  const old = await accept(garage, { name: 'base', version: '1', ...ON_AMD64 });
  await accept(garage, { name: 'user', needs: 'base', ...ON_AMD64 });
  const fresh = await accept(garage, { name: 'base', version: '2', ...ON_AMD64 });
  await releaseHeld(garage);
  expect(await takeAll(garage, host)).toEqual(['base/amd64']);
  const { rows } = await garage.pool.query<{ row: string }>(
    `select source_id || ' ' || status as row from builds where source_id = any($1) order by id`,
    [[old, fresh]],
  );
  expect(rows.map(({ row }) => row)).toEqual([`${old} superseded`, `${fresh} building`]);
});

test('a missing dependency is asked for eagerly, then patiently, and at once when it is there', async () => {
  const host = await addHostRow(garage, { name: 'one' });
  const source = await accept(garage, { name: 'needy', ...ON_AMD64 });
  let generations = 0;
  const publish = (binary?: string): Promise<void> => publishGeneration((generations += 1), binary);
  const status = async (): Promise<string> => {
    await returnBuilds(garage);
    const { rows } = await garage.pool.query<{ status: string }>('select status from builds');
    return rows[0]!.status;
  };
  for (let number = 1; number <= 5; number += 1) {
    expect(await take(garage, host)).toBe('needy/amd64');
    await move(garage, source, 'building', 'dep-wait');
    await garage.pool.query(`update builds set fail_reason = 'Waits for libnone-dev (>= 2), make | bmake'`);
    expect(await status()).toBe('dep-wait'); // nothing new
    await publish();
    expect(await status()).toBe(number < 5 ? 'needs-build' : 'dep-wait');
  }
  await garage.pool.query(`update attempts set started_at = now() - interval '2 hours'`);
  await garage.pool.query(`update builds set updated_at = now()`);
  expect(await status()).toBe('needs-build');
  await take(garage, host);
  await move(garage, source, 'building', 'dep-wait');
  await garage.pool.query(`update builds set fail_reason = 'Waits for libnone-dev (>= 2)'`);
  await publish('libother-dev_amd64');
  expect(await status()).toBe('dep-wait');
  await publish('libnone-dev_amd64');
  expect(await status()).toBe('needs-build');
  await take(garage, host);
  await move(garage, source, 'building', 'dep-wait');
  await garage.pool.query(`update attempts set started_at = now() - interval '25 hours'`);
  await garage.pool.query(`update repository.generations set live_at = now() - interval '30 hours'`);
  expect(await status()).toBe('needs-build'); // the distribution may have it by now
});

/** A live generation, with one package that came with it. */
async function publishGeneration(number: number, binary?: string): Promise<void> {
  const { rows } = await garage.pool.query<{ id: string }>(
    `insert into repository.generations (queue, product, number, status, cause, live_at)
     values ('devel', 'bookworm', $1, 'live', 'test', clock_timestamp()) returning id`,
    [number],
  );
  if (binary === undefined) return;
  await garage.pool.query(
    `with package as (
       insert into repository.packages
         (product, component, kind, name, version, architecture, source, source_version, stanza, files)
       values ('bookworm', 'main', 'deb', split_part($1, '_', 1), '2', 'amd64', $1, '2', '', '{}') returning id)
     insert into repository.members (queue, product, package_id, generation_id, since)
     select 'devel', 'bookworm', id, $2, clock_timestamp() from package`,
    [binary, rows[0]!.id],
  );
}
