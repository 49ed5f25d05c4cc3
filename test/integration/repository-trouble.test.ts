/** Errors of ours while sets are taken in: nobody's package is blamed, and one that cannot be published stops no other. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { waitingSets } from '../../services/repository/incoming/trouble.ts';
import { buildHealthServer } from '../../services/repository/health.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const repository = await openTestRepository();
afterAll(() => repository.dispose());
beforeAll(() => repository.sweep());
const AT = { queue: 'devel', product: 'bookworm' };

async function statusOf(id: string): Promise<unknown> {
  const { rows } = await repository.pool.query('select status, reason_code as code from sets where id = $1', [
    id,
  ]);
  return rows[0];
}

test('a set that breaks the publish keeps no other back, and goes on when the cause is gone', async () => {
  // The database refuses it in the transaction that makes the generation the queue's state.
  await repository.pool.query(`
    create function refuse_poison() returns trigger language plpgsql as $$ begin
      if exists (select 1 from packages where id = new.package_id and name = 'poison') then
        raise exception 'refused by the test';
      end if;
      return new;
    end $$`);
  await repository.pool.query(
    'create trigger poison before insert on members for each row execute function refuse_poison()',
  );
  const poison = await handOver(repository, await makeSet(repository, { source: 'poison' }));
  const good = [];
  for (const source of ['one', 'two'])
    good.push(await handOver(repository, await makeSet(repository, { source })));

  await expect(sweepQueue(repository, AT)).rejects.toThrow('refused by the test');
  expect((await waitingSets(repository.pool)).map((each) => each.set).toSorted()).toEqual(
    [...good, poison].toSorted(),
  );
  const late = await handOver(repository, await makeSet(repository, { source: 'late' }));
  expect(await sweepQueue(repository, AT)).toBe(true);
  expect(await statusOf(late)).toEqual({ status: 'installed', code: null });
  // One at a time, in no fixed order: the good ones come through, however often the bad one is tried.
  for (let round = 0; round < 200; round += 1) {
    await sweepQueue(repository, AT).catch(() => undefined);
    if ((await waitingSets(repository.pool)).length === 1) break;
  }
  for (const id of good) expect(await statusOf(id)).toEqual({ status: 'installed', code: null });
  expect(await statusOf(poison)).toEqual({ status: 'incoming', code: 'repository-error' });

  const health = buildHealthServer(repository);
  const answer = await health.inject('/healthz');
  expect(answer.json()).toMatchObject({ status: 'ok', sets: [{ set: poison, code: 'repository-error' }] });
  await repository.pool.query('drop trigger poison on members');
  expect(await sweepQueue(repository, AT)).toBe(true);
  expect(await statusOf(poison)).toEqual({ status: 'installed', code: null });
  expect((await health.inject('/healthz')).json()).not.toHaveProperty('sets');
  await health.close();
  expect(await readdir(path.join(repository.home.repositoryIncoming, 'devel/bookworm'))).toEqual([]);
});

test('without a program that it needs, the package is not to blame', async () => {
  // Packed it is still large, so that xz must unpack it.
  const content = randomBytes(150_000).toString('hex');
  const id = await handOver(repository, await makeSet(repository, { source: 'packed', content }));
  const { PATH } = process.env;
  process.env['PATH'] = '/nonexistent';
  await sweepQueue(repository, AT)
    .catch(() => undefined)
    .finally(() => {
      process.env['PATH'] = PATH;
    });
  expect(await statusOf(id)).toEqual({ status: 'incoming', code: 'process-not-started' });
  await sweepQueue(repository, AT);
  expect(await statusOf(id)).toEqual({ status: 'installed', code: null });
});
