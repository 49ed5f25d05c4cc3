/** A machine whose clock was wrong for a time: clients come back with the first sweep after it is right. */
import { afterAll, expect, test } from 'vitest';
import { buildLiveServer } from '../../services/repository/live/server.ts';
import { generationHistory } from '../../shared/protocol/generation-history.ts';
import { handOver, makeAptClient, makeSet, openTestRepository } from './repository-support.ts';

const HOUR_MS = 3600_000;
const repository = await openTestRepository();
const { home, common, log } = repository;
const server = await buildLiveServer({ root: home.staging, common, log });
afterAll(async () => {
  await server.close();
  await repository.dispose();
});

async function arrive(source: string): Promise<void> {
  await handOver(repository, await makeSet(repository, { source }));
  await repository.sweep();
}

async function causes(): Promise<string[]> {
  const at = { queue: 'devel', product: 'bookworm' };
  return (await generationHistory(repository.pool, at, { limit: 100 })).map((row) => row.cause);
}

test('what was dated in the future is dated anew when the clock is set back, once', async () => {
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  await arrive('before');
  const client = await makeAptClient(repository, url, ['devel']);
  repository.setClock(new Date(Date.now() + 5 * HOUR_MS));
  await arrive('hello');
  const refused = await client.apt('apt-get', 'update', '--error-on=any');
  expect(refused.stderr.toString()).toContain('is not valid yet');
  repository.setClock(null);
  await repository.sweep();
  const updated = await client.apt('apt-get', 'update', '--error-on=any');
  expect([updated.code, updated.stderr.toString()]).toEqual([0, '']);
  expect((await client.apt('apt-cache', 'show', 'hello')).code).toBe(0);
  expect((await causes()).slice(0, 2)).toEqual(['renewal', 'set']);
  const made = (await causes()).length;
  await repository.sweep();
  expect(await causes()).toHaveLength(made);
});

test('a clock that is set back by less is waited for by dates that go on rising', async () => {
  const before = (await causes()).length;
  repository.setClock(new Date(Date.now() - 20_000));
  await repository.sweep();
  expect(await causes()).toHaveLength(before);
  repository.setClock(null);
});
