/** An error after each single step of what keeps the keys published: the next look ends as an undisturbed one. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { queueProducts } from '../../services/repository/places.ts';
import { createSigner, ensureArchiveKey } from '../../services/repository/signing/in-process.ts';
import { keepKeys } from '../../services/repository/signing/keeper.ts';
import { openTestRepository, type TestRepository } from './repository-support.ts';

const base = await openTestRepository();
const owner = { name: base.common.name, email: 'test@example.org' };
const rotation = { announceDays: 0, dualSignDays: 0 };
const signer = createSigner(await ensureArchiveKey(base.home, owner, { rotation }));
const repository: TestRepository = { ...base, signer };
afterAll(() => base.dispose());

async function sweep(): Promise<void> {
  for (const at of queueProducts(repository.common)) await sweepQueue(repository, at);
}

/** Makes something to do: a new key in the keyring. */
async function announceKey(): Promise<void> {
  const { fingerprint } = await signer.ask('create', {});
  await signer.ask('change', { key: fingerprint, to: 'announced', force: false, dryRun: false });
}

/** Each queue holds the newest keyring, once, and nothing is left over. */
async function expectKept(): Promise<void> {
  const { version } = signer.keyring;
  const { rows } = await repository.pool.query<{ version: string }>(
    `select source_version as version from published where source = 'autobuilder-archive-keyring'`,
  );
  expect(rows).toEqual(repository.common.queues.map(() => ({ version })));
  const sets = await repository.pool.query<{ status: string }>(
    'select distinct status from sets where source_version = $1',
    [version],
  );
  expect(sets.rows).toEqual([{ status: 'installed' }]);
  for (const { queue, product } of queueProducts(repository.common)) {
    expect(await readdir(path.join(repository.home.repositoryIncoming, queue, product))).toEqual([]);
    const published = await readFile(path.join(repository.home.staging, queue, 'archive-key.gpg'));
    expect(published.equals(signer.publicKey.binary)).toBe(true);
  }
}

test('every step', async () => {
  await sweep();
  await keepKeys(repository);
  await sweep();
  await expectKept();
  repository.passed();
  await announceKey();
  await keepKeys(repository);
  const steps = [...new Set(repository.passed())];
  expect(steps).toEqual(['keys-recorded', 'keyring-published', 'keyring-handed-over']);
  for (const step of steps) {
    await announceKey();
    repository.crashAfter(step);
    await expect(keepKeys(repository)).rejects.toThrow(`crash after ${step}`);
    await keepKeys(repository);
    await sweep();
    await expectKept();
    expect(await keepKeys(repository)).toBe(false);
  }
});

test('two at once, a service and a command, hand over one set for each queue', async () => {
  await announceKey();
  const handed = await Promise.all([keepKeys(repository), keepKeys(repository)]);
  expect(handed).toContain(true);
  await sweep();
  await expectKept();
});
