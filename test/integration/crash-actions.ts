/**
 * What the repository does to disk and database, as a table: each action's steps are walked, failed and killed
 * one by one (repository-crash.test.ts, repository-kill.test.ts).
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import type { Repository } from '../../services/repository/context.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { transaction } from '../../shared/database/pool.ts';
import { orderRollback } from '../../shared/protocol/rollback-order.ts';
import { ACTS, DEVEL, keepingTwo, TESTING, type ActName } from './crash-acts.ts';
import { handOver, makeSet, type TestRepository } from './repository-support.ts';

export interface CrashAction {
  name: string;
  act: ActName;
  /** The queue whose published state changes. */
  queue: string;
  /** Makes something to do; `tag` is new each time. Returns how to see that it is done, and done once. */
  prepare(repository: TestRepository, tag: string): Promise<() => Promise<void>>;
}

async function arrive(repository: TestRepository, source: string, version: string): Promise<string> {
  return handOver(repository, await makeSet(repository, { source, version }));
}

async function one<T extends object>(
  repository: Repository,
  sql: string,
  values: unknown[],
): Promise<T | null> {
  return (await repository.pool.query<T>(sql, values)).rows[0] ?? null;
}

/** How many packages of the source a queue holds: source and binary. */
async function members(repository: Repository, queue: string, source: string): Promise<number> {
  const row = await one<{ count: number }>(
    repository,
    `select count(*)::int as count from members m join packages p on p.id = m.package_id
      where m.queue = $1 and p.source = $2`,
    [queue, source],
  );
  return row?.count ?? 0;
}

async function expectIncomingEmpty(repository: Repository): Promise<void> {
  expect(await readdir(path.join(repository.home.repositoryIncoming, 'devel/bookworm'))).toEqual([]);
}

async function newestNumber(repository: Repository, at: { queue: string }): Promise<number> {
  const row = await one<{ number: number }>(
    repository,
    `select max(number) as number from generations where queue = $1 and status <> 'preparing'`,
    [at.queue],
  );
  return row?.number ?? 0;
}

const published: CrashAction = {
  ...{ name: 'a publish', act: 'sweepDevel', queue: 'devel' },
  prepare: async (repository, tag) => {
    const id = await arrive(repository, `set-${tag}`, '1.0');
    return async () => {
      const { rows } = await repository.pool.query(
        'select s.status, g.cause from sets s join generations g on g.id = s.generation_id where s.id = $1',
        [id],
      );
      expect(rows).toEqual([{ status: 'installed', cause: 'set' }]);
      expect(await members(repository, 'devel', `set-${tag}`)).toBe(2);
      await expectIncomingEmpty(repository);
    };
  },
};

const refused: CrashAction = {
  ...{ name: 'a set that is refused', act: 'sweepDevel', queue: 'devel' },
  prepare: async (repository) => {
    const id = await handOver(repository, await makeSet(repository, { architecture: 'mips' }));
    return async () => {
      const row = await one(repository, 'select status from sets where id = $1', [id]);
      expect(row).toEqual({ status: 'quarantined' });
      const folder = path.join(repository.home.repository, 'quarantine', id);
      expect(await readdir(folder)).toContain('REASON');
      await expectIncomingEmpty(repository);
    };
  },
};

async function expectOrderDone(repository: Repository, id: string, cause: string): Promise<void> {
  const row = await one(
    repository,
    'select o.status, g.cause from orders o join generations g on g.id = o.generation_id where o.id = $1',
    [id],
  );
  expect(row).toEqual({ status: 'done', cause });
}

const promotion: CrashAction = {
  ...{ name: 'a promotion', act: 'carryOut', queue: 'testing' },
  prepare: async (repository, tag) => {
    const source = `up-${tag}`;
    await arrive(repository, source, '1.0');
    await ACTS.sweepDevel(repository);
    const order = await one<{ id: string }>(
      repository,
      `insert into orders (kind, product, source, from_queue, to_queue)
       values ('promote', 'bookworm', $1, 'devel', 'testing') returning id`,
      [source],
    );
    return async () => {
      await expectOrderDone(repository, order?.id ?? '', 'promotion');
      expect(await members(repository, 'testing', source)).toBe(2);
    };
  },
};

const rollback: CrashAction = {
  ...{ name: 'a roll-back', act: 'carryOut', queue: 'testing' },
  prepare: async (repository, tag) => {
    const source = `back-${tag}`;
    const good = await newestNumber(repository, TESTING);
    await handOver(repository, await makeSet(repository, { source, queue: 'testing' }));
    await ACTS.sweepTesting(repository);
    const request = { ...TESTING, to: good, seen: good + 1, requestedBy: null };
    const id = await transaction(repository.pool, (client) => orderRollback(client, request));
    return async () => {
      await expectOrderDone(repository, id, 'rollback');
      expect(await members(repository, 'testing', source)).toBe(0);
    };
  },
};

const synced: CrashAction = {
  ...{ name: 'a sync', act: 'sync', queue: 'devel' },
  prepare: async (repository, tag) => {
    await arrive(repository, `live-${tag}`, '1.0');
    await ACTS.sweepDevel(repository);
    // What is gone is looked for now and then: each time here.
    await repository.pool.query('update sync_states set cleaned_at = null');
    return async () => {
      const waiting = await one(
        repository,
        `select 1 from generations where status <> 'live' and queue = 'devel'`,
        [],
      );
      expect(waiting).toBeNull();
      const staging = await readdir(path.join(repository.home.staging, 'devel'));
      expect(staging.filter((name) => name.includes('changed'))).toEqual([]);
    };
  },
};

const collected: CrashAction = {
  ...{ name: 'a garbage collection', act: 'collect', queue: 'devel' },
  prepare: async (repository, tag) => {
    const source = `old-${tag}`;
    // As many as are kept, and one that goes.
    for (const version of ['1', '2', '3']) {
      await arrive(repository, source, version);
      await ACTS.sweepDevel(repository);
    }
    const pool = path.join(repository.home.staging, 'devel/pool/bookworm/main/o', source);
    expect((await readdir(pool)).filter((name) => name.endsWith('.deb'))).toHaveLength(3);
    return async () => {
      const debs = (await readdir(pool)).filter((name) => name.endsWith('.deb'));
      expect(debs.toSorted()).toEqual([`${source}_2_amd64.deb`, `${source}_3_amd64.deb`]);
    };
  },
};

const retention: CrashAction = {
  ...{ name: 'a retention', act: 'retain', queue: 'devel' },
  prepare: async (repository, tag) => {
    const source = `many-${tag}`;
    for (const version of ['1', '2', '3']) await arrive(repository, source, version);
    await sweepQueue(keepingTwo(repository), DEVEL);
    expect(await members(repository, 'devel', source)).toBe(6);
    return async () => expect(await members(repository, 'devel', source)).toBe(4);
  },
};

/** Run with `snapshots.keep` of 2, so that publishes let old generations go and garbage collection finds work. */
export const CRASH_ACTIONS = [
  ...[published, refused, promotion, rollback],
  ...[synced, retention, collected],
];
