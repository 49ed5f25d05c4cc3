/** Keys that end: while a set is published, while another key is good; what health, metrics and rows say. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { Repository } from '../../services/repository/context.ts';
import { buildHealthServer } from '../../services/repository/health.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf } from '../../services/repository/places.ts';
import { createSigner, ensureArchiveKey } from '../../services/repository/signing/in-process.ts';
import { keepKeys } from '../../services/repository/signing/keeper.ts';
import { handOver, makeSet, openTestRepository } from './repository-support.ts';

const DAY_MS = 24 * 3600 * 1000;
const AT = { queue: 'devel', product: 'bookworm' };

const base = await openTestRepository({ repository: { keyringPackage: false } });
let aheadMs = 0;
const now = (): Date => new Date(Date.now() + aheadMs);
const owner = { name: base.common.name, email: 'test@example.org' };
// The key of the test repository has a year; this is a second signer on the same files, on another clock.
const config = { rotation: { announceDays: 0, dualSignDays: 0 }, keyDays: 400 };
const signer = createSigner(await ensureArchiveKey(base.home, owner, config, now));
const repository: Repository = { ...base, signer, now };
const health = buildHealthServer(repository);

beforeEach(() => {
  aheadMs = 0;
});
afterAll(async () => {
  await health.close();
  await base.dispose();
});

function endOf(fingerprint: string | undefined): number {
  const key = signer.keyring.keys.find((each) => each.fingerprint === fingerprint);
  return Date.parse(key?.expiresAt ?? '');
}

function inRelease(): Promise<string> {
  return readFile(path.join(placesOf(repository.home, 'devel', 'bookworm').dists, 'InRelease'), 'utf8');
}

async function setStatus(id: string): Promise<unknown> {
  const { rows } = await repository.pool.query<{ status: string }>('select status from sets where id = $1', [
    id,
  ]);
  return rows[0]?.status;
}

async function healthz(): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await health.inject('/healthz');
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
}

test('a key that ends while a set is published: nothing changes for clients, the set waits, health says it', async () => {
  await sweepQueue(repository, AT);
  const before = await inRelease();
  const [only] = signer.keyring.signing;
  const id = await handOver(repository, await makeSet(repository, { source: 'waits' }));
  const ending: Repository = {
    ...repository,
    // It is good when the publish begins, and ends while the indexes are written.
    step: (name) => {
      if (name === 'indexes-written') aheadMs = endOf(only) - Date.now() + 1000;
      return repository.step(name);
    },
  };
  await expect(sweepQueue(ending, AT)).rejects.toMatchObject({
    code: 'signing-key-expired',
    hint: expect.stringContaining('autobuilder key extend') as string,
  });
  expect(await inRelease()).toBe(before);
  expect(await setStatus(id)).toBe('incoming');
  await stat(path.join(repository.home.repositoryIncoming, 'devel/bookworm', id));

  await keepKeys(repository);
  const failing = await healthz();
  expect(failing.status).toBe(503);
  expect(failing.body).toMatchObject({ failing: ['signing'], signing: { code: 'signing-key-expired' } });
  const state = await repository.pool.query('select code from signing_state');
  expect(state.rows).toEqual([{ code: 'signing-key-expired' }]);

  await signer.ask('change', { key: only ?? '', to: 'extended', force: false, dryRun: false });
  await keepKeys(repository);
  expect((await healthz()).status).toBe(200);
  await sweepQueue(repository, AT);
  expect((await healthz()).body).toEqual({ status: 'ok' });
  expect(await setStatus(id)).toBe('installed');
  expect(await inRelease()).not.toBe(before);
  const { rows } = await repository.pool.query('select code from signing_state');
  expect(rows).toEqual([{ code: null }]);
});

test.each([
  [31, []],
  [29, ['within 30 days']],
  [6.9, ['within 7 days']],
  [0.9, ['within 1 day']],
])('%s days before its end health says %j, and metrics the time', async (days, words) => {
  const [only] = signer.keyring.signing;
  aheadMs = endOf(only) - Date.now() - days * DAY_MS;
  await keepKeys(repository);
  const { status, body } = await healthz();
  expect(status).toBe(200);
  const warnings = (body['keys'] ?? []) as string[];
  expect(warnings).toHaveLength(words.length);
  for (const each of words) expect(warnings.join()).toContain(each);
  const metrics = await repository.metrics.registry.metrics();
  expect(metrics).toContain(
    `key_expires_timestamp_seconds{fingerprint="${only ?? ''}",state="active"} ${String(endOf(only) / 1000)}`,
  );
});

test('of two keys one ends: the other goes on alone, published anew by itself', async () => {
  const [first] = signer.keyring.signing;
  aheadMs = endOf(first) - Date.now() - 100 * DAY_MS; // after it was extended
  const { fingerprint: second } = await signer.ask('create', {});
  for (const to of ['announced', 'active'] as const) {
    await signer.ask('change', { key: second, to, force: false, dryRun: false });
  }
  await signer.ask('change', { key: second, to: 'extended', force: false, dryRun: false, days: 4000 });
  await sweepQueue(repository, AT);
  expect(signer.keyring.signing).toEqual([first, second]);
  aheadMs = endOf(first) - Date.now();
  await sweepQueue(repository, AT);
  expect(signer.keyring.signing).toEqual([second]);
  const { rows } = await repository.pool.query<{ cause: string }>(
    `select cause from generations where queue = 'devel' order by number desc limit 1`,
  );
  expect(rows).toEqual([{ cause: 'configuration' }]);
  await keepKeys(repository);
  const { status, body } = await healthz();
  expect(status).toBe(200);
  expect(String(body['keys'])).toContain('ended on');
});
