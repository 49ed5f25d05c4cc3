import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createQueueProc } from '../../services/repository/promotion/queue-proc.ts';
import { createRqp } from '../../services/repository/sync/rqp.ts';
import { waitFor } from '../support/wait.ts';
import { transaction } from '../../shared/database/pool.ts';
import { run, type RunResult } from '../../shared/process/run.ts';
import { orderRemoval, type RemovalRequest } from '../../shared/protocol/removal-order.ts';
import type { OrderRow } from '../../shared/protocol/tables.ts';
import {
  handOver,
  makeAptClient,
  makeSet,
  openTestRepository,
  serveLive,
  type PackageOptions,
} from './repository-support.ts';

const repository = await openTestRepository();
const proc = createQueueProc(repository, () => undefined);
const CLI = path.resolve(import.meta.dirname, '../../bin/autobuilder.ts');

beforeAll(async () => {
  await repository.sweep();
  await repository.pool.query(`
    insert into garage.accounts (login, email) values ('owner', 'o@example.org'), ('stranger', 's@example.org')`);
  await repository.pool.query(`
    insert into garage.maintainers (product, source, account_id)
      select 'bookworm', 'lib', id from garage.accounts where login = 'owner'`);
  const app = { name: 'app', architecture: 'amd64', fields: { Depends: 'lib (>= 1)' } };
  await arrive({ source: 'lib' }, { source: 'app', binaries: [app] }, { source: 'spare' });
});
afterAll(() => repository.dispose());

async function arrive(...sets: PackageOptions[]): Promise<void> {
  for (const options of sets) await handOver(repository, await makeSet(repository, options));
  await repository.sweep();
}

function order(part: Partial<RemovalRequest>): Promise<string> {
  const wanted = { queue: 'devel', product: 'bookworm', source: 'lib', version: null, force: false };
  return transaction(repository.pool, (client) =>
    orderRemoval(client, { ...wanted, requestedBy: null, ...part }),
  );
}

async function rowOf(id: string): Promise<OrderRow> {
  const { rows } = await repository.pool.query<OrderRow>('select * from orders where id = $1', [id]);
  return rows[0] as OrderRow;
}

async function carriedOut(part: Partial<RemovalRequest>): Promise<OrderRow> {
  const id = await order(part);
  await proc.run();
  return rowOf(id);
}

async function sources(queue = 'devel'): Promise<string[]> {
  const { rows } = await repository.pool.query<{ source: string }>(
    'select distinct source from published where queue = $1 order by source',
    [queue],
  );
  return rows.map((row) => row.source);
}

function autobuilder(...args: string[]): Promise<RunResult> {
  return run([process.execPath, CLI, 'remove', ...args], { env: repository.env });
}

describe('refused, and nothing changes', () => {
  test.each<[Partial<RemovalRequest>, string, string]>([
    [{}, 'would-break', 'app 1.0 on amd64 (needs lib (>= 1))'],
    [{ requestedBy: 'stranger' }, 'not-allowed', 'not a maintainer of lib'],
    [{ source: 'ghost' }, 'source-not-there', 'devel holds nothing of ghost'],
    [{ version: '9' }, 'version-not-there', 'devel holds lib 1.0 for bookworm, not 9'],
    [{ queue: 'gold' }, 'queue-unknown', "no queue 'gold'"],
  ])('%o', async (part, code, words) => {
    expect(await carriedOut(part)).toMatchObject({
      ...{ status: 'refused', reason_code: code, reason: expect.stringContaining(words) as unknown },
    });
    expect(await sources()).toEqual(['app', 'lib', 'spare']);
  });
});

test('a dry run lists what would leave and what could not be installed any more', async () => {
  const dry = await autobuilder('devel', 'lib', '--dry-run', '--json');
  expect(dry.stderr.toString()).toBe('');
  expect(JSON.parse(dry.stdout.toString())).toEqual({
    ...{ dryRun: true, queue: 'devel', product: 'bookworm', source: 'lib', version: null },
    packages: [
      { kind: 'source', name: 'lib', version: '1.0', architecture: 'source' },
      { kind: 'deb', name: 'lib', version: '1.0', architecture: 'amd64' },
    ],
    uninstallable: [
      { kind: 'deb', name: 'app', version: '1.0', architecture: 'amd64', missing: 'lib (>= 1)' },
    ],
  });
  const told = (await autobuilder('devel', 'lib', '--dry-run')).stdout.toString();
  expect(told).toContain('refused without --force: 1 of what stays could not be installed');
  expect((await autobuilder('devel', 'spare', '--dry-run')).stdout.toString()).toContain('as before');
  expect(await sources()).toEqual(['app', 'lib', 'spare']);
});

test('the command orders it and waits; one that is ordered twice is one order', async () => {
  const asked = autobuilder('devel', 'spare', '1.0', '--timeout', '60');
  const id = await waitFor('the order', async () => {
    const open = `select id from orders where source = 'spare' and status = 'requested'`;
    return (await repository.pool.query<{ id: string }>(open)).rows[0]?.id;
  });
  expect(await order({ source: 'spare', version: '1.0' })).toBe(id);
  await proc.run();
  expect((await asked).stderr.toString()).toContain(`order ${id}`);
  expect((await asked).stdout.toString()).toMatch(
    /^removed spare from devel\/bookworm: it is generation \d+ now$/m,
  );
  expect((await asked).code).toBe(0);
  expect(await sources()).toEqual(['app', 'lib']);
});

test('a maintainer removes what only their other order makes removable: both are one generation', async () => {
  const ids = [await order({ source: 'app' }), await order({ requestedBy: 'owner' })];
  await proc.run();
  const rows = await Promise.all(ids.map(rowOf));
  expect(rows.map((row) => row.status)).toEqual(['done', 'done']);
  expect(new Set(rows.map((row) => row.generation_id)).size).toBe(1);
  const { rows: generations } = await repository.pool.query(
    'select cause, removed from generations where id = $1',
    [rows[0]?.generation_id],
  );
  expect(generations).toEqual([{ cause: 'removal', removed: 4 }]);
  expect(await sources()).toEqual([]);
});

test('by force it goes all the same, and apt says so', async () => {
  const app = { name: 'needy', architecture: 'amd64', fields: { Depends: 'base' } };
  await arrive({ source: 'base' }, { source: 'needy', binaries: [app] });
  expect(await carriedOut({ source: 'base', force: true })).toMatchObject({ status: 'done' });
  const live = await serveLive(repository);
  await createRqp(repository).run();
  const client = await makeAptClient(repository, live.url, ['devel']);
  await client.apt('apt-get', 'update', '--error-on=any');
  const install = await client.apt('apt-get', 'install', '--simulate', 'needy');
  expect([install.code, install.stdout.toString()]).toEqual([100, expect.stringContaining('Depends: base')]);
  await live.server.close();
});
