/** An archive that gets another name: clients that trust by the keyring package of the old one still follow its keys. */
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Repository } from '../../services/repository/context.ts';
import { sweepQueue } from '../../services/repository/incoming/manager.ts';
import { placesOf, queueProducts } from '../../services/repository/places.ts';
import { createSigner, ensureArchiveKey } from '../../services/repository/signing/in-process.ts';
import { keepKeys } from '../../services/repository/signing/keeper.ts';
import { runChecked } from '../../shared/process/run.ts';
import { openTestRepository } from './repository-support.ts';

const base = await openTestRepository();
afterAll(() => base.dispose());
const rotation = { announceDays: 0, dualSignDays: 0 };
const owner = { name: base.common.name, email: 'test@example.org' };
const signer = createSigner(await ensureArchiveKey(base.home, owner, { rotation }));
const repository: Repository = { ...base, signer };
const renamed: Repository = { ...repository, common: { ...base.common, name: 'Renamed' } };

async function settle(as: Repository): Promise<void> {
  await keepKeys(as);
  for (const at of queueProducts(as.common)) await sweepQueue(as, at);
}

/** `source version` of what devel holds. */
async function held(): Promise<string[]> {
  const { rows } = await base.pool.query<{ source: string; source_version: string }>(
    `select source, source_version from published where queue = 'devel' order by source`,
  );
  return rows.map((row) => `${row.source} ${row.source_version}`);
}

async function announceKey(): Promise<string> {
  const { fingerprint } = await signer.ask('create', {});
  await signer.ask('change', { key: fingerprint, to: 'announced', force: false, dryRun: false });
  return fingerprint;
}

test('the package of the old name goes on beside the new one, with the keys of now', async () => {
  await settle(repository);
  const { version: first } = await signer.refresh();
  expect(await held()).toEqual([`autobuilder-archive-keyring ${first}`]);
  const key = await announceKey();
  await settle(renamed);
  const { version } = await signer.refresh();
  expect(version).not.toBe(first);
  expect(await held()).toEqual([
    `autobuilder-archive-keyring ${version}`,
    `renamed-archive-keyring ${version}`,
  ]);
  const name = `autobuilder-archive-keyring_${version}_all.deb`;
  const file = path.join(
    placesOf(base.home, 'devel', 'bookworm').pool,
    'main/a/autobuilder-archive-keyring',
    name,
  );
  const out = path.join(base.home.root, 'unpacked');
  await runChecked(['dpkg-deb', '--extract', file, out]);
  const keyring = path.join(out, 'usr/share/keyrings/autobuilder-archive-keyring.gpg');
  const shown = await runChecked(['gpg', '--batch', '--with-colons', '--show-keys', keyring]);
  expect(shown.stdout.toString()).toContain(key);
});

test('each comes once, and one that was removed from the queue not again', async () => {
  const sets = async (): Promise<number> => (await base.pool.query('select from sets')).rowCount ?? 0;
  const before = await sets();
  await settle(renamed);
  expect(await sets()).toBe(before);
  await base.pool.query(
    `delete from members m using packages p
      where p.id = m.package_id and m.queue = 'devel' and p.source = 'autobuilder-archive-keyring'`,
  );
  await announceKey();
  await settle(renamed);
  const { version } = await signer.refresh();
  expect(await held()).toEqual([`renamed-archive-keyring ${version}`]);
});
