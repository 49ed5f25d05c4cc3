/** Going back to what a queue held: one new generation, ordered, and nothing comes back by itself. */
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildLiveServer } from '../../services/repository/live/server.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { startService } from '../../services/repository/service.ts';
import { transaction } from '../../shared/database/pool.ts';
import { generationHistory, type HistoryRow } from '../../shared/protocol/generation-history.ts';
import { orderRollback } from '../../shared/protocol/rollback-order.ts';
import type { OrderRow } from '../../shared/protocol/tables.ts';
import { waitFor } from '../support/wait.ts';
import { commandLine } from './repository-command-line.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  type PackageOptions,
} from './repository-support.ts';

const repository = await openTestRepository();
const devel = { queue: 'devel', product: 'bookworm' };
const places = placesOf(repository.home, 'devel', 'bookworm');
const proc = createQueueProc(repository, () => undefined);
const server = await buildLiveServer({
  ...{ root: repository.home.staging, common: repository.common, log: repository.log },
});
let url: string;

beforeAll(async () => {
  url = await server.listen({ host: '127.0.0.1', port: 0 });
  await repository.sweep();
  await repository.pool.query(`
    insert into garage.accounts (login, email, admin) values
      ('root-admin', 'a@example.org', true), ('owner', 'o@example.org', false)`);
  await repository.pool.query(`
    insert into garage.maintainers (product, source, account_id)
      select 'bookworm', source, id from garage.accounts, unnest('{mine,also-mine}'::text[]) as source
       where login = 'owner'`);
});
afterAll(async () => {
  await server.close();
  await repository.dispose();
});

async function arrive(...all: PackageOptions[]): Promise<string[]> {
  const ids: string[] = [];
  for (const options of all) ids.push(await handOver(repository, await makeSet(repository, options)));
  await repository.sweep();
  return ids;
}

async function newest(): Promise<HistoryRow> {
  const rows = await generationHistory(repository.pool, devel, { limit: 1 });
  return rows[0] as HistoryRow;
}

async function held(source: string, queue = 'devel'): Promise<string[]> {
  const { rows } = await repository.pool.query<{ version: string }>(
    'select source_version as version from published where queue = $1 and source = $2 order by 1',
    [queue, source],
  );
  return rows.map((row) => row.version);
}

async function orderRow(id: string): Promise<OrderRow> {
  const { rows } = await repository.pool.query<OrderRow>('select * from orders where id = $1', [id]);
  return rows[0] as OrderRow;
}

/** Orders it and carries it out. */
async function rollBack(to: number, more: { seen?: number; by?: string } = {}): Promise<OrderRow> {
  const seen = more.seen ?? (await newest()).number;
  const request = { ...devel, to, seen, requestedBy: more.by ?? null };
  const id = await transaction(repository.pool, (client) => orderRollback(client, request));
  await proc.run();
  return orderRow(id);
}

async function setState(id: string | undefined): Promise<{ status: string; reason_code: string | null }> {
  const { rows } = await repository.pool.query<{ status: string; reason_code: string | null }>(
    'select status, reason_code from sets where id = $1',
    [id],
  );
  return rows[0] as { status: string; reason_code: string | null };
}

describe('the command line', () => {
  test('says before what clients would see, and does it as one new generation', async () => {
    await arrive({ source: 'app' }, { source: 'old-tool' });
    await arrive({ source: 'app', version: '2.0' }, { source: 'new-tool' });
    const bad = (await newest()).number;
    const dry = await commandLine(repository, ['rollback', 'devel', 'bookworm', '--dry-run']);
    expect(dry).toMatchObject({ code: 0 });
    expect(dry.out).toMatch(/downgraded +app +amd64 +2\.0 +1\.0/);
    expect(dry.out).toMatch(/removed +new-tool +amd64 +1\.0/);
    expect(dry.out).not.toContain('old-tool');
    expect(dry.err).toContain('apt neither downgrades nor removes by itself');
    expect(await newest()).toMatchObject({ number: bad });
    const service = await startService(repository);
    try {
      // It publishes the archive's keys, which a roll-back leaves alone.
      const last = await waitFor('keyring', async () => {
        const row = await newest();
        return (await held('autobuilder-archive-keyring')).length > 0 ? row.number : null;
      });
      const done = await commandLine(repository, ['rollback', 'devel', 'bookworm', '--json']);
      expect(done).toMatchObject({ code: 0 });
      expect(JSON.parse(done.out)).toMatchObject({
        ...{ status: 'done', generation: last + 1, from: last, to: bad - 1 },
        changes: [
          { change: 'downgraded', name: 'app', kind: 'deb' },
          { change: 'downgraded', name: 'app', kind: 'source' },
          { change: 'removed', name: 'new-tool', kind: 'deb' },
          { change: 'removed', name: 'new-tool', kind: 'source' },
        ],
      });
    } finally {
      await service.stop();
    }
    expect(await newest()).toMatchObject({ cause: 'rollback', backTo: bad - 1, added: 2, removed: 4 });
    expect([await held('app'), await held('new-tool')]).toEqual([['1.0'], []]);
    expect(await held('autobuilder-archive-keyring')).toHaveLength(1);
  });

  test('apt offers what it was, and says so for who has the newer one', async () => {
    const client = await makeAptClient(repository, url, ['devel']);
    expect(await client.apt('apt-get', 'update')).toMatchObject({ code: 0 });
    const policy = await client.apt('apt-cache', 'policy', 'app', 'new-tool');
    expect(policy.stdout.toString()).toContain('Candidate: 1.0');
    expect(policy.stdout.toString()).not.toContain('new-tool');
  });

  test('without a repository service it says that the order waits', async () => {
    await arrive({ source: 'waits' });
    const { code, err } = await commandLine(repository, [
      ...['rollback', 'devel', 'bookworm', '--timeout', '0.2'],
    ]);
    expect([code, err]).toEqual([1, expect.stringContaining('still requested')]);
    await proc.run();
    expect(await held('waits')).toEqual([]);
  });

  test.each([
    [['rollback', 'gold', 'bookworm'], "no queue 'gold'"],
    [['rollback', 'devel', 'woody'], "no product 'woody'"],
    [['rollback', 'devel', 'bookworm', '4000'], 'no generation 4000'],
    [['rollback', 'testing', 'bookworm'], 'never held anything else'],
    [['rollback', 'devel', 'bookworm', '--timeout', 'x'], 'number of seconds'],
  ])('%j says what is wrong', async (args, words) => {
    const { code, err } = await commandLine(repository, args);
    expect([code, err]).toEqual([1, expect.stringContaining(words)]);
  });
});

describe('what was rolled back stays away', () => {
  test('from sweeps, from the same set again and from another architecture that was still building', async () => {
    const set = await makeSet(repository, { source: 'gone', version: '2.0' });
    const twin = { ...set, folder: `${set.folder}.twin` };
    await arrive({ source: 'gone', version: '1.0' });
    const good = (await newest()).number;
    const again = await makeSet(repository, { source: 'gone', version: '2.0', architecture: 'i386' });
    await handOver(repository, set);
    await repository.sweep();
    expect(await held('gone')).toEqual(['2.0']);
    expect(await rollBack(good)).toMatchObject({ status: 'done' });
    const [late] = [await handOver(repository, again)];
    await repository.sweep();
    expect(await setState(late)).toEqual({ status: 'quarantined', reason_code: 'rolled-back' });
    const made = await makeSet(repository, { source: 'gone', version: '2.0' });
    await rename(made.folder, twin.folder);
    await handOver(repository, twin);
    await repository.sweep();
    expect(await setState(set.manifest.id)).toEqual({ status: 'installed', reason_code: null });
    expect(await held('gone')).toEqual(['1.0']);
  });

  test('from an order that is older; a newer order means it', async () => {
    await arrive({ source: 'wanted', version: '1.0' });
    const testing = { queue: 'testing', product: 'bookworm' };
    const promote = `insert into orders (kind, product, source, from_queue, to_queue)
      values ('promote', 'bookworm', 'wanted', 'devel', 'testing') returning id`;
    await repository.pool.query(promote);
    await proc.run();
    expect(await held('wanted', 'testing')).toEqual(['1.0']);
    const early = await repository.pool.query<{ id: string }>(promote);
    await repository.pool.query(`update orders set status = 'blocked' where id = $1`, [early.rows[0]?.id]);
    const [last] = await generationHistory(repository.pool, testing, { limit: 1 });
    const request = { ...testing, to: (last?.number ?? 0) - 1, seen: last?.number ?? 0, requestedBy: null };
    await transaction(repository.pool, (client) => orderRollback(client, request));
    await proc.run();
    expect(await held('wanted', 'testing')).toEqual([]);
    await repository.pool.query(`update orders set status = 'requested' where id = $1`, [early.rows[0]?.id]);
    await proc.run();
    expect(await orderRow(early.rows[0]?.id ?? '')).toMatchObject({ reason_code: 'rolled-back' });
    await repository.pool.query(promote);
    await proc.run();
    expect(await held('wanted', 'testing')).toEqual(['1.0']);
  });

  test('until somebody rolls forward, or brings a newer version', async () => {
    await arrive({ source: 'yoyo', version: '1.0' });
    await arrive({ source: 'yoyo', version: '2.0' });
    const { number } = await newest();
    await rollBack(number - 1);
    expect(await held('yoyo')).toEqual(['1.0']);
    await rollBack(number);
    expect(await held('yoyo')).toEqual(['2.0']);
    const [late] = await arrive({ source: 'yoyo', version: '2.0', architecture: 'i386' });
    expect(await setState(late)).toMatchObject({ status: 'installed' });
    await rollBack(number - 1);
    await arrive({ source: 'yoyo', version: '3.0' });
    expect(await held('yoyo')).toEqual(['3.0']);
  });
});

describe('refusals say what is wrong and change nothing', () => {
  test('what is so already', async () => {
    const { number } = await newest();
    expect(await rollBack(number)).toMatchObject({ status: 'refused', reason_code: 'nothing-to-roll-back' });
  });

  test('what was published since the requester looked would go unseen', async () => {
    const { number } = await newest();
    await arrive({ source: 'unseen' });
    const refused = await rollBack(number - 1, { seen: number });
    expect(refused).toMatchObject({ status: 'refused', reason_code: 'queue-moved-on', generation_id: null });
    expect(await held('unseen')).toEqual(['1.0']);
  });

  test('files that are gone from the pool', async () => {
    await arrive({ source: 'eaten', version: '1.0' });
    await arrive({ source: 'eaten', version: '2.0' });
    const { number } = await newest();
    await rm(path.join(places.pool, 'main/e/eaten/eaten_1.0_amd64.deb'));
    const refused = await rollBack(number - 1);
    expect(refused).toMatchObject({ status: 'refused', reason_code: 'files-gone' });
    expect(refused.reason).toContain('eaten_1.0_amd64.deb');
    expect(await held('eaten')).toEqual(['2.0']);
  });

  test('a maintainer who does not maintain all that would change', async () => {
    await arrive({ source: 'mine' });
    await arrive({ source: 'theirs' }, { source: 'also-mine' });
    const { number } = await newest();
    const refused = await rollBack(number - 1, { by: 'owner' });
    expect(refused).toMatchObject({ status: 'refused', reason_code: 'not-allowed' });
    expect(refused.reason).toContain('theirs');
    expect(refused.reason).not.toContain('also-mine,');
    expect(await rollBack(number - 1, { by: 'root-admin' })).toMatchObject({ status: 'done' });
    await arrive({ source: 'mine', version: '2.0' });
    const done = await rollBack((await newest()).number - 1, { by: 'owner' });
    expect(done).toMatchObject({ status: 'done', requested_by: 'owner' });
    expect(await newest()).toMatchObject({ cause: 'rollback', who: 'owner' });
  });
});
