import {
  access,
  appendFile,
  chmod,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { placesOf } from '../../services/repository/places.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { checkRepository, type CheckOptions } from '../../services/repository/upkeep/check/run.ts';
import { run } from '../../shared/process/run.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  type PackageOptions,
} from './repository-support.ts';

const repository = await openTestRepository();
const { home } = repository;
const devel = placesOf(home, 'devel', 'bookworm');
const testing = placesOf(home, 'testing', 'bookworm');
const DEB = 'main/h/hello/hello_1.0_amd64.deb';
const LIVE_DEB = path.join(home.live, 'devel/pool/bookworm', DEB);
const CLI = path.resolve(import.meta.dirname, '../../bin/autobuilder.ts');

beforeAll(async () => {
  await repository.sweep();
  await arrive({ source: 'hello' }, { source: 'other' });
  await repository.pool.query(
    `insert into orders (kind, product, source, from_queue, to_queue)
     values ('promote', 'bookworm', 'hello', 'devel', 'testing')`,
  );
  await createQueueProc(repository, () => undefined).run();
  await createRqp(repository).run();
});
afterAll(() => repository.dispose());

async function arrive(...sets: PackageOptions[]): Promise<void> {
  for (const options of sets) await handOver(repository, await makeSet(repository, options));
  await sweepQueue(repository, { queue: 'devel', product: 'bookworm' });
}

/** `code subject outcome` of each finding. */
async function found(options: CheckOptions = {}): Promise<string[]> {
  const findings = await checkRepository(repository, options);
  return findings.map(({ code, queue, subject, outcome }) =>
    [code, queue, subject, outcome].filter((part) => part !== null && part !== '').join(' '),
  );
}

/** As {@link found}, of the one queue that the test changes. */
const inDevel = (options: CheckOptions = {}): Promise<string[]> => found({ ...options, queue: 'devel' });

/** Each test begins with nothing to find. */
async function requireOrder(): Promise<void> {
  await createRqp(repository).run();
  const findings = await found({ isQuick: true });
  if (findings.length > 0) throw new Error(findings.join('; '));
}

const newest = async (): Promise<string> => path.basename(await readlink(devel.dists));
const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** A file of its own, with the same content, size and times: another inode than its links have. */
async function unlinked(file: string): Promise<void> {
  const { atime, mtime } = await stat(file);
  await copyFile(file, `${file}.copy`);
  await utimes(`${file}.copy`, atime, mtime);
  await rename(`${file}.copy`, file);
}

/** Turns one byte, and leaves size and times. */
async function flip(file: string): Promise<void> {
  const { atime, mtime } = await stat(file);
  const content = await readFile(file);
  content[content.length - 1] = (content[content.length - 1] ?? 0) ^ 0xff;
  await writeFile(file, content);
  await utimes(file, atime, mtime);
}

async function aged(file: string): Promise<void> {
  const old = new Date(Date.now() - 100 * 24 * 3600_000);
  await utimes(file, old, old);
}

describe('a repository in order', () => {
  test('has no findings, quickly and byte for byte, also beside publishes and syncs', async () => {
    expect(await found({ isQuick: true })).toEqual([]);
    expect(await found()).toEqual([]);
    const rqp = createRqp(repository);
    const busy = (async () => {
      for (const source of ['one', 'two']) {
        await arrive({ source });
        await rqp.run();
      }
    })();
    expect(await found()).toEqual([]);
    await busy;
    expect(await found()).toEqual([]);
  });
});

describe('the pool', () => {
  beforeEach(requireOrder);

  test('a link that one queue lacks is made again from another', async () => {
    const file = path.join(testing.pool, DEB);
    await rm(file);
    expect(await found({ isQuick: true, queue: 'testing' })).toEqual([`pool-link-missing testing ${DEB}`]);
    expect(await found({ repair: true })).toEqual([`pool-link-missing testing ${DEB} repaired`]);
    expect((await stat(file)).ino).toBe((await stat(path.join(devel.pool, DEB))).ino);
  });

  test('a file that is gone everywhere is told with where it may be, and comes back by hand', async () => {
    const files = ['devel', 'testing'].flatMap((queue) => [
      path.join(placesOf(home, queue, 'bookworm').pool, DEB),
      path.join(home.live, queue, 'pool/bookworm', DEB),
    ]);
    const saved = path.join(home.root, 'saved.deb');
    await link(files[0]!, saved);
    for (const file of files) await rm(file);
    const findings = await checkRepository(repository, { repair: true });
    expect(findings.map(({ code, queue, outcome }) => `${code} ${queue} ${String(outcome)}`)).toEqual([
      ...['member-file-missing devel null', 'live-file-missing devel asked'],
      ...['member-file-missing testing null', 'live-file-missing testing asked'],
    ]);
    expect(findings[0]?.copies).toContain('a backup');
    await link(saved, files[0]!);
    expect(await found({ repair: true })).toContain(`pool-link-missing testing ${DEB} repaired`);
    await createRqp(repository).run();
  });

  test('a changed file is replaced by an intact copy and kept; its links in live too', async () => {
    const file = path.join(devel.pool, DEB);
    await unlinked(path.join(testing.pool, DEB));
    await flip(file);
    expect(await found({ isQuick: true })).toEqual([]);
    expect(await found()).toEqual([
      `pool-copy-changed devel ${DEB}`,
      `live-file-changed devel live: ${DEB}`,
      `live-file-changed testing live: ${DEB}`,
    ]);
    const repaired = await found({ repair: true });
    expect(repaired[0]).toBe(`pool-copy-changed devel ${DEB} repaired`);
    const [kept = ''] = (await readdir(path.join(home.repository, 'quarantine'))).filter((name) =>
      name.startsWith('changed-hello_1.0_amd64.deb-'),
    );
    expect(await isThere(path.join(home.repository, 'quarantine', kept, 'hello_1.0_amd64.deb'))).toBe(true);
    await createRqp(repository).run();
    expect(await readFile(LIVE_DEB)).toEqual(await readFile(file));
  });

  test.each(['check-kept', 'check-replaced'])(
    'a repair cut off after %s is done at the next',
    async (step) => {
      const file = path.join(devel.pool, DEB);
      const before = await readFile(file);
      await unlinked(path.join(testing.pool, DEB));
      await flip(file);
      repository.crashAfter(step);
      expect((await found({ repair: true }))[0]).toBe(`pool-copy-changed devel ${DEB} failed`);
      await found({ repair: true });
      expect(await readFile(file)).toEqual(before);
      await createRqp(repository).run();
      expect(await readFile(LIVE_DEB)).toEqual(before);
    },
  );

  test('one that is changed everywhere is told, never touched', async () => {
    const before = await readFile(path.join(devel.pool, DEB));
    const links = ['devel', 'testing'].map((queue) => path.join(placesOf(home, queue, 'bookworm').pool, DEB));
    for (const file of links) await flip(file);
    for (const queue of ['devel', 'testing']) {
      const live = path.join(home.live, queue, 'pool/bookworm', DEB);
      if ((await readFile(live)).equals(before)) await flip(live);
    }
    expect(await found({ repair: true })).toContain(`pool-file-changed devel ${DEB}`);
    for (const file of [...links, LIVE_DEB, path.join(home.live, 'testing/pool/bookworm', DEB)]) {
      if (!(await readFile(file)).equals(before)) await flip(file);
    }
    await createRqp(repository).run();
  });

  test('modes, strays, special files and what a run left', async () => {
    await chmod(path.join(devel.pool, 'main/o/other/other_1.0_amd64.deb'), 0o600);
    await writeFile(path.join(devel.pool, 'main/o/other/stray.deb'), 'of somebody');
    await symlink('/etc/passwd', path.join(devel.pool, 'main/o/other/other.link'));
    await writeFile(path.join(devel.pool, 'main/o/other/.other.just-now'), '');
    expect((await found({ repair: true })).toSorted()).toEqual([
      'pool-file-mode devel main/o/other/other_1.0_amd64.deb repaired',
      'pool-file-odd devel main/o/other/other.link',
      'pool-file-stray devel main/o/other/stray.deb',
    ]);
    expect((await stat(path.join(devel.pool, 'main/o/other/other_1.0_amd64.deb'))).mode & 0o777).toBe(0o644);
    for (const name of ['stray.deb', 'other.link', '.other.just-now']) {
      expect(await isThere(path.join(devel.pool, 'main/o/other', name))).toBe(true);
      await rm(path.join(devel.pool, 'main/o/other', name));
    }
  });
});

describe('generations', () => {
  beforeEach(requireOrder);

  test.each([
    ['an index', 'main/binary-amd64/Packages.xz'],
    ['InRelease', 'InRelease'],
    ['Release', 'Release'],
  ])('%s that is damaged: the same content is published anew, and apt reads it', async (_, name) => {
    const number = await newest();
    await unlinked(path.join(devel.dists, name));
    await flip(path.join(devel.dists, name));
    expect(await inDevel()).toContain(`generation-damaged devel generation ${number}`);
    expect(await inDevel({ repair: true })).toContain(
      `generation-damaged devel generation ${number} repaired`,
    );
    expect(await newest()).not.toBe(number);
    const { rows } = await repository.pool.query(
      `select cause, added, removed from generations where queue = 'devel' order by number desc limit 1`,
    );
    expect(rows).toEqual([{ cause: 'repair', added: 0, removed: 0 }]);
    await createRqp(repository).run();
    const live = await serveLive(repository);
    const client = await makeAptClient(repository, live.url, ['devel']);
    expect((await client.apt('apt-get', 'update', '--error-on=any')).stderr.toString()).toBe('');
    expect((await client.apt('apt-cache', 'show', 'hello')).code).toBe(0);
    await live.server.close();
    // The damaged one is a snapshot now, and stays as it is.
    const snapshot = `snapshot-damaged devel generation ${number}`;
    expect(await inDevel({ repair: true })).toEqual([snapshot]);
    await rm(path.join(devel.generations, number), { recursive: true });
    expect(await inDevel({ repair: true })).toEqual([
      `generation-missing devel generation ${number} repaired`,
    ]);
  });

  test('by-hash, a wrong link, an unfinished one, one that the database does not know', async () => {
    const number = await newest();
    const folder = path.join(devel.dists, 'main/source/by-hash/SHA256');
    for (const name of await readdir(folder)) await rm(path.join(folder, name));
    expect((await inDevel({ isQuick: true, repair: true }))[0]).toBe(
      `generation-damaged devel generation ${number} repaired`,
    );
    await rm(devel.dists);
    await symlink(`../generations/bookworm/${number}`, devel.dists);
    await repository.pool.query(
      `insert into generations (queue, product, number, status, cause)
       values ('devel', 'bookworm', 9000, 'preparing', 'set')`,
    );
    await mkdir(path.join(devel.generations, '9000'));
    await mkdir(path.join(devel.generations, '9001'));
    const findings = await inDevel({ repair: true, isQuick: true });
    expect(findings).toContain('generation-unfinished devel generation 9000 repaired');
    expect(findings).toContain('generation-unknown devel generation 9001');
    expect(findings).toContain('current-link-wrong devel dists repaired');
    expect(await newest()).not.toBe(number);
    await rm(path.join(devel.generations, '9001'), { recursive: true });
    await rm(path.join(devel.generations, number), { recursive: true });
    await inDevel({ repair: true });
  });

  test('the state of indexes: dropped, and the next publish is right all the same', async () => {
    const state = path.join(devel.states, await newest());
    const [text = ''] = (await readdir(state)).filter((name) => name.endsWith('.text'));
    const texts = await readdir(state);
    for (const name of texts.filter((each) => each.endsWith('.text'))) {
      if ((await stat(path.join(state, name))).size > 0) await flip(path.join(state, name));
    }
    expect(await inDevel({ isQuick: true })).toEqual([]);
    expect(await inDevel({ repair: true })).toEqual(['index-state-damaged devel index state repaired']);
    expect(await isThere(path.join(state, text))).toBe(false);
    await arrive({ source: 'after' });
    await createRqp(repository).run();
    expect(await inDevel()).toEqual([]);
  });
});

describe('live', () => {
  beforeEach(requireOrder);

  test('files that are missing or changed, and damaged indexes, come back by a sync', async () => {
    await unlinked(LIVE_DEB);
    await flip(LIVE_DEB);
    await rm(path.join(home.live, 'devel/pool/bookworm/main/o/other/other_1.0.dsc'));
    const index = path.join(home.live, 'devel/dists/bookworm/main/binary-amd64/Packages.gz');
    await unlinked(index);
    await flip(index);
    expect((await inDevel({ repair: true })).toSorted()).toEqual([
      `live-file-changed devel live: ${DEB} asked`,
      'live-file-missing devel live: main/o/other/other_1.0.dsc asked',
      'live-indexes-damaged devel live: dists asked',
    ]);
    await createRqp(repository).run();
    expect(await inDevel()).toEqual([]);
  });

  test('a target that is behind for long; one that was synced a moment ago is not', async () => {
    await arrive({ source: 'late' });
    expect(await inDevel()).toEqual([]);
    await repository.pool.query(
      `update generations set staged_at = now() - interval '1 hour' where queue = 'devel'`,
    );
    expect(await inDevel({ repair: true })).toEqual(['live-behind devel live: dists asked']);
    await createRqp(repository).run();
    expect(await inDevel()).toEqual([]);
  });

  test('a state that is newer than anything the database knows is told, not overwritten', async () => {
    const files = ['Release', 'InRelease'].map((name) => path.join(home.live, 'devel/dists/bookworm', name));
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      await rm(file);
      await writeFile(file, text.replace(/^Date: .*$/m, 'Date: Thu, 01 Jan 2099 00:00:00 UTC'));
    }
    expect(await inDevel({ isQuick: true, repair: true })).toEqual(['live-ahead devel live: dists']);
    await writeFile(devel.marker, '');
  });

  test('another InRelease than any that was staged', async () => {
    const file = path.join(home.live, 'devel/dists/bookworm/InRelease');
    await unlinked(file);
    await appendFile(file, '\n');
    expect(await inDevel({ isQuick: true })).toEqual(['live-indexes-damaged devel live: dists']);
    await inDevel({ repair: true });
    await createRqp(repository).run();
    expect(await inDevel()).toEqual([]);
  });
});

test('what belongs to no queue: left copies go, old refusals stay', async () => {
  const work = path.join(home.repository, 'work/devel.bookworm');
  const refused = path.join(home.repository, 'quarantine/long-ago');
  const halves = [
    path.join(devel.root, '.archive-key.gpg.0f.tmp'),
    path.join(devel.root, 'dists/.bookworm.new'),
  ];
  for (const folder of [work, refused, ...halves]) {
    await mkdir(folder, { recursive: true });
    await aged(folder);
  }
  const young = path.join(devel.root, '.archive-key.asc.0f.tmp');
  await writeFile(young, '');
  expect(await found({ repair: true, isQuick: true })).toEqual([
    'work-left staging/devel/.archive-key.gpg.0f.tmp repaired',
    'work-left staging/devel/dists/.bookworm.new repaired',
    'work-left work/devel.bookworm repaired',
    'quarantine-old quarantine/long-ago',
  ]);
  expect(await Promise.all([work, ...halves, refused, young].map(isThere))).toEqual([
    ...[false, false, false, true, true],
  ]);
  await rm(young);
  await rm(refused, { recursive: true });
});

test('the command: what is wrong, what it means, what to do; the exit code tells', async () => {
  const clean = await run([process.execPath, CLI, 'check', '--quick'], { env: repository.env });
  expect([clean.code, clean.stdout.toString()]).toEqual([0, 'everything is as it should be\n']);
  expect(clean.stderr.toString()).toContain('testing/bookworm: 0 MiB read');
  await rm(path.join(testing.pool, DEB));
  const text = await run([process.execPath, CLI, 'check', '--queue', 'testing'], { env: repository.env });
  expect(text.code).toBe(1);
  expect(text.stdout.toString()).toContain(`pool-link-missing: testing/bookworm ${DEB}\n`);
  expect(text.stdout.toString()).toContain('for clients: fetching the file from this queue fails with 404');
  expect(text.stdout.toString()).toContain('--repair: links it again from an intact copy');
  expect(text.stdout.toString()).toMatch(/\n1 finding: 1 for --repair\n$/);
  const json = await run([process.execPath, CLI, 'check', '--repair', '--json'], { env: repository.env });
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout.toString())).toMatchObject([
    { code: 'pool-link-missing', queue: 'testing', subject: DEB, outcome: 'repaired' },
  ]);
  const stray = path.join(testing.pool, 'main/h/hello/stray.deb');
  await writeFile(stray, 'of somebody');
  const odd = await run([process.execPath, CLI, 'check', '--quick', '--repair'], { env: repository.env });
  expect(odd.stdout.toString()).toContain(
    'by hand: see who put it there and delete it\n1 finding: 1 for a person\n',
  );
  await rm(stray);
}, 180_000);
