/** What a product's policy lets in: who vouches, who may, what was signed before, which versions. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addKeys } from '../../services/garage/accounts/accounts.ts';
import {
  addMaintainer,
  listMaintainers,
  removeMaintainer,
} from '../../services/garage/accounts/maintainers.ts';
import type { UploadOutcome } from '../../services/garage/uploads/outcome.ts';
import { PRODUCTS } from '../support/bad-uploads/case.ts';
import { openTestGarage } from '../support/garage.ts';
import { makeSigningKey } from '../support/source-package.ts';
import {
  addUploader,
  edit,
  nameOf,
  PackageShelf,
  putFiles,
  recordsOf,
  round,
  signFile,
  type Files,
  type Uploader,
} from '../support/uploading.ts';

const garage = await openTestGarage({ products: PRODUCTS });
const elsewhere = await openTestGarage();
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
let owner: Uploader;
let helper: Uploader;
let stranger: Uploader;
afterAll(async () => {
  await garage.dispose();
  await elsewhere.dispose();
});

beforeAll(async () => {
  owner = await addUploader(garage, 'owner');
  helper = await addUploader(garage, 'helper');
  stranger = await addUploader(elsewhere, 'stranger');
});

async function send(login: string, files: Files, product: string): Promise<UploadOutcome | undefined> {
  await putFiles(garage, login, files, product);
  const [outcome, ...others] = await round(garage, 61);
  expect(others).toEqual([]);
  return outcome;
}

async function signed(version: string, by: Uploader, name = 'greeter'): Promise<Files> {
  const files = await shelf.take(name, version);
  await signFile(files, by);
  return files;
}

async function signerOf(version: string): Promise<string | null> {
  const { rows } = await garage.pool.query<{ signed_by: string | null }>(
    "select signed_by from uploads where version = $1 and status = 'accepted'",
    [version],
  );
  return rows[0]?.signed_by ?? null;
}

describe('who vouches', () => {
  test('either: the login for an unsigned upload, the key for a signed one', async () => {
    expect(await send('owner', await shelf.take('greeter', '1.0-1'), 'either')).toMatchObject({
      status: 'accepted',
    });
    expect(await signerOf('1.0-1')).toBeNull();
    expect(await send('owner', await signed('1.0-2', owner), 'either')).toMatchObject({ status: 'accepted' });
    expect(await signerOf('1.0-2')).toMatch(/^[0-9A-F]{40}$/);
  });

  test('login: it does not matter who signed, or that a .dsc came alone and unsigned', async () => {
    const files = await signed('1.1-1', stranger);
    expect(await send('owner', files, 'login')).toMatchObject({ status: 'accepted' });
    expect(await signerOf('1.1-1')).toBeNull();
    const lone = await shelf.take('greeter', '1.1-2');
    lone.delete(nameOf(lone, '.changes'));
    expect(await send('owner', lone, 'login')).toMatchObject({ status: 'accepted', version: '1.1-2' });
  });

  test('a key is found by its id, whoever else has keys; one stored before ids were, too', async () => {
    const { publicKey } = await makeSigningKey('second@example.org');
    await addKeys(garage, 'owner', { sshKeys: [], openpgpKeys: [publicKey] });
    const { rows } = await garage.pool.query<{ key_ids: string[]; fingerprint: string }>(
      'select key_ids, fingerprint from openpgp_keys where account_id = $1',
      [owner.id],
    );
    for (const row of rows) {
      expect(row.key_ids).toContain(row.fingerprint.slice(-16));
      expect(row.key_ids.length).toBeGreaterThan(1); // the encryption subkey
    }
    await garage.pool.query('update openpgp_keys set key_ids = null where account_id = $1', [owner.id]);
    expect(await send('owner', await signed('1.1-3', owner), 'either')).toMatchObject({ status: 'accepted' });
    expect(rows.map((row) => row.fingerprint)).toContain(await signerOf('1.1-3'));
  });
});

describe('who may', () => {
  test('a maintainer of the source, a rule with a glob, nobody else; rights end when they are taken', async () => {
    expect(await send('owner', await signed('2.0-1', owner), 'bookworm')).toMatchObject({
      status: 'accepted',
    });
    expect(await send('helper', await signed('2.0-2', helper), 'bookworm')).toMatchObject({
      ...{ status: 'rejected', code: 'not-allowed' },
      reason: "Account 'helper' may not upload greeter to bookworm",
      hint: expect.stringMatching(/autobuilder maintainer add greeter helper --product bookworm$/) as string,
    });
    await addMaintainer(garage.pool, 'bookworm', 'greet*', 'helper');
    expect(await send('helper', await signed('2.0-3', helper), 'bookworm')).toMatchObject({
      status: 'accepted',
    });
    await removeMaintainer(garage.pool, 'bookworm', 'greet*', 'helper');
    expect(await send('helper', await signed('2.0-4', helper), 'bookworm')).toMatchObject({
      code: 'not-allowed',
    });
    await addMaintainer(garage.pool, 'bookworm', 'greeter', 'helper');
    expect(await send('helper', await signed('2.0-5', helper), 'bookworm')).toMatchObject({
      status: 'accepted',
    });
  });

  test('a rule of one product says nothing of another; it may be of sources that are not there yet', async () => {
    await addMaintainer(garage.pool, 'closed', 'needs-*', 'helper');
    const missing = await signed('1.0', helper, 'needs-missing');
    expect(await send('helper', missing, 'closed')).toMatchObject({ status: 'accepted' });
    expect(await send('owner', await signed('1.0', owner, 'needs-greeter'), 'closed')).toMatchObject({
      ...{
        code: 'not-allowed',
        reason: "Account 'owner' may not bring the new source needs-greeter to closed",
      },
    });
  });

  test("a signed upload comes by its signer's right, whoever sends it", async () => {
    await addUploader(garage, 'courier');
    expect(await send('courier', await signed('2.0-6', owner), 'bookworm')).toMatchObject({
      status: 'accepted',
    });
    const { rows } = await garage.pool.query(
      'select 1 from maintainers m join accounts a on a.id = m.account_id where login = $1',
      ['courier'],
    );
    expect(rows).toEqual([]);
  });

  test('globs give the right to promote, and the list says who may what', async () => {
    await addMaintainer(garage.pool, 'second', 'greet?r', 'helper');
    expect(await send('owner', await signed('1.0-1', owner), 'second')).toMatchObject({ status: 'accepted' });
    const { rows } = await garage.pool.query(
      "select login, source from promotion_rights where product = 'second' and not admin order by login",
    );
    expect(rows).toEqual([
      { login: 'helper', source: 'greeter' },
      { login: 'owner', source: 'greeter' },
    ]);
    expect(await listMaintainers(garage.pool, 'second')).toMatchObject([
      { pattern: 'greeter', login: 'owner' },
      { pattern: 'greet?r', login: 'helper' },
    ]);
  });

  test.each(['Upper', 'a b', 'x;drop', '', '*'.repeat(129)])(
    "'%s' is no source and no glob",
    async (pattern) => {
      await expect(addMaintainer(garage.pool, 'bookworm', pattern, 'owner')).rejects.toMatchObject({
        code: 'source-invalid',
      });
    },
  );
});

describe('the same signed upload again', () => {
  test('from its signer changes nothing, also where somebody else was quicker', async () => {
    await addUploader(garage, 'quicker');
    const files = await signed('3.0-1', owner);
    expect(await send('quicker', files, 'bookworm')).toMatchObject({ status: 'accepted' });
    expect(await send('owner', files, 'bookworm')).toMatchObject({ status: 'accepted' });
    const [record] = await recordsOf(garage, 'quicker');
    expect(record).toMatchObject({ status: 'accepted' });
  });

  test('after a rejection is looked at again', async () => {
    const files = await signed('3.0-2', owner);
    const dsc = nameOf(files, '.dsc');
    const kept = files.get(dsc)!;
    files.delete(dsc);
    expect(await send('owner', files, 'bookworm')).toMatchObject({ code: 'file-missing' });
    files.set(dsc, kept);
    expect(await send('owner', files, 'bookworm')).toMatchObject({ status: 'accepted' });
  });

  test('does not bring back what the archive gave up since', async () => {
    const files = await signed('3.0-3', owner);
    expect(await send('owner', files, 'bookworm')).toMatchObject({ status: 'accepted' });
    await garage.pool.query(
      "delete from builds where source_id in (select id from sources where version = '3.0-3')",
    );
    await garage.pool.query("delete from sources where version = '3.0-3'");
    expect(await send('owner', files, 'bookworm')).toMatchObject({
      ...{
        status: 'rejected',
        code: 'upload-replayed',
        reason: expect.stringMatching(/has it no more\.$/) as string,
      },
    });
  });
});

describe('versions and distributions', () => {
  test('a version that a later queue has is not high enough, however it got there', async () => {
    await garage.pool.query(
      `with g as (insert into repository.generations (queue, product, number, status, cause)
                    values ('stable', 'bookworm', 1, 'live', 'import') returning id),
            p as (insert into repository.packages
                    (product, component, kind, name, version, architecture, source, source_version, stanza, files)
                    values ('bookworm', 'main', 'source', 'needs-greeter', '5.0', 'source', 'needs-greeter',
                            '5.0', '', '{}') returning id)
       insert into repository.members (queue, product, package_id, generation_id)
       select 'stable', 'bookworm', p.id, g.id from p, g`,
    );
    expect(await send('owner', await signed('4.0', owner, 'needs-greeter'), 'bookworm')).toMatchObject({
      code: 'version-not-higher',
      reason:
        'Version check failed: Your upload included the source package needs-greeter, version 4.0, however ' +
        'stable already has version 5.0. Uploads to devel must have a higher version than present in stable.',
    });
    expect(await send('owner', await signed('5.0.1', owner, 'needs-greeter'), 'bookworm')).toMatchObject({
      status: 'accepted',
    });
  });

  test.each(['bookworm', 'devel', 'unstable', 'either'])(
    "Distribution '%s' is taken for a product of names",
    async (name) => {
      const version = `8.${String(['bookworm', 'devel', 'unstable', 'either'].indexOf(name))}-1`;
      const files = await shelf.take('greeter', version);
      if (name !== 'bookworm') {
        await edit(files, '.changes', (text) =>
          text.replace('Distribution: bookworm', `Distribution: ${name}`),
        );
      }
      await signFile(files, owner);
      expect(await send('owner', files, 'either')).toMatchObject({ status: 'accepted', version });
    },
  );

  test('an unknown section warns', async () => {
    const files = await shelf.take('greeter', '9.0-1');
    await edit(files, '.changes', (text) => text.replaceAll(' misc optional', ' knitting optional'));
    await signFile(files, owner);
    expect(await send('owner', files, 'either')).toMatchObject({
      status: 'accepted',
      warnings: expect.arrayContaining(["greeter_9.0-1.dsc: unknown section 'knitting'"]) as string[],
    });
  });
});
