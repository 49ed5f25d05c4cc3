/** Bad uploads: each ends in a row, a mail, a folder with its REASON, and a queue that goes on. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disableAccount } from '../../services/garage/accounts/accounts.ts';
import { codeOf, REASONS, type ReasonName } from '../../services/garage/uploads/reasons.ts';
import type { UploadOutcome } from '../../services/garage/uploads/outcome.ts';
import { BAD_UPLOADS } from '../support/bad-uploads.ts';
import { PRODUCTS, type People } from '../support/bad-uploads/case.ts';
import { addExpired, addRevoked } from '../support/bad-uploads/keys.ts';
import { openTestGarage } from '../support/garage.ts';
import { signChanges } from '../support/source-package.ts';
import {
  addUploader,
  namesIn,
  PackageShelf,
  putFiles,
  recordsOf,
  round,
  signFile,
} from '../support/uploading.ts';

const garage = await openTestGarage({ products: PRODUCTS });
const elsewhere = await openTestGarage();
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
const ORIG = 'greeter_1.0.orig.tar.xz';
afterAll(async () => {
  await garage.dispose();
  await elsewhere.dispose();
});

function asPattern(reason: string | RegExp): RegExp {
  return typeof reason === 'string'
    ? new RegExp(`^${reason.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`)
    : reason;
}

/** A mail's sentence stands on a line of its own. */
function asLine(reason: string | RegExp): RegExp {
  return new RegExp(asPattern(reason).source, 'm');
}

/** Codes that need more than an upload: a folder, a link, an admin in between, a parser that breaks. */
const SHOWN_ELSEWHERE = [
  ...['account-disabled', 'product-unknown', 'orphan-files', 'not-a-regular-file'],
  'control-file-unreadable',
];

const loginOf = (index: number): string => `case-${String(index)}`;

describe('bad uploads, all in one round with a good one', () => {
  const byLogin = new Map<string, UploadOutcome>();

  beforeAll(async () => {
    const stranger = await addUploader(elsewhere, 'stranger');
    const dismissed = await addUploader(garage, 'dismissed');
    await disableAccount(garage, 'dismissed');
    const people: Omit<People, 'me'> = {
      ...{ stranger, dismissed, owner: await addUploader(garage, 'owner') },
      expired: await addExpired(garage, 'expired'),
      revoked: await addRevoked(garage, 'revoked'),
      accepted: await shelf.take('greeter', '2.0-1'),
    };
    await signChanges(people.accepted.get('greeter_2.0-1_source.changes')!, people.owner.privateKey);
    await putFiles(garage, 'owner', people.accepted, 'second');
    await round(garage);
    await garage.pool.query("update builds set status = 'installed'");
    for (const [index, { make, product, version = '1.0-1', isAdmin }] of BAD_UPLOADS.entries()) {
      const me = await addUploader(garage, loginOf(index));
      if (isAdmin) await garage.pool.query('update accounts set admin = true where id = $1', [me.id]);
      const files = await shelf.take('greeter', version);
      await make(files, { ...people, me });
      await putFiles(garage, me.login, files, product);
    }
    const victim = path.join(garage.home.incoming, 'bookworm', 'victim');
    await mkdir(victim, { recursive: true });
    await writeFile(path.join(victim, ORIG), "somebody else's");
    const good = await addUploader(garage, 'zoe');
    const files = await shelf.take('greeter-data');
    await signFile(files, good);
    await putFiles(garage, 'zoe', files);
    for (const outcome of await round(garage, 120)) byLogin.set(outcome.login, outcome);
  });

  test('the good one is accepted', () => {
    expect(byLogin.get('zoe')).toMatchObject({ status: 'accepted' });
    expect(byLogin.size).toBe(BAD_UPLOADS.length + 1);
  });

  test('the table is long enough to hold every reason there is', () => {
    expect(BAD_UPLOADS.length).toBeGreaterThanOrEqual(60);
    const inTests = new Set([...BAD_UPLOADS.map(({ code }) => code), ...SHOWN_ELSEWHERE]);
    const codes = Object.keys(REASONS).map((name) => codeOf(name as ReasonName));
    expect(codes.filter((code) => !inTests.has(code))).toEqual([]);
  });

  test("nobody else's file is touched", async () => {
    const victim = path.join(garage.home.incoming, 'bookworm', 'victim', ORIG);
    expect(await readFile(victim, 'utf8')).toBe("somebody else's");
  });

  test.each(BAD_UPLOADS.map((each, index) => ({ product: 'bookworm', ...each, index })))(
    '$title',
    async ({ index, product, ...wanted }) => {
      const login = loginOf(index);
      const outcome = byLogin.get(login);
      expect(outcome).toMatchObject({ status: 'rejected', code: wanted.code });
      const { reason, hint } = outcome as { reason: string; hint: string | null };
      expect(reason).toMatch(asPattern(wanted.reason));
      expect(hint ?? '').toMatch(wanted.hint ?? /^.{10}/);
      const [record, ...others] = await recordsOf(garage, login);
      expect(others).toEqual([]);
      expect(record).toMatchObject({ status: 'rejected', settled: true });
      expect(record!.mails).toHaveLength(1);
      expect(record!.mails[0]).toMatchObject({ recipient: `${login}@example.org` });
      expect(record!.mails[0]!.subject).toMatch(/^\S+\.(changes|dsc) REJECTED$/);
      expect(record!.mails[0]!.body).toMatch(asLine(wanted.reason));
      expect(record!.mails[0]!.body).toContain(hint);
      const folder = [garage.home.rejected, product, record!.id] as const;
      expect(await readFile(path.join(...folder, 'REASON'), 'utf8')).toContain(`Code: ${wanted.code}\n`);
      expect(await namesIn(...folder)).toContain('trigger' in outcome! ? outcome.trigger : '');
    },
  );
});

test('the same rejection ten times: ten rows, ten mails, ten folders, and the queue goes on', async () => {
  const me = await addUploader(garage, 'stubborn');
  for (let time = 0; time < 10; time += 1) {
    await putFiles(garage, 'stubborn', await shelf.take('greeter'));
    expect(await round(garage)).toMatchObject([{ status: 'rejected', code: 'signature-missing' }]);
  }
  const all = await recordsOf(garage, 'stubborn');
  expect(all).toHaveLength(10);
  const folders = await namesIn(garage.home.rejected, 'bookworm');
  for (const record of all) {
    expect(record).toMatchObject({ status: 'rejected', settled: true });
    expect(record.mails).toHaveLength(1);
    expect(folders).toContain(record.id);
  }
  const files = await shelf.take('greeter', '9.0-1');
  await signFile(files, me);
  await putFiles(garage, 'stubborn', files);
  expect(await round(garage)).toMatchObject([{ status: 'accepted' }]);
});

test('an upload of an account that was disabled meanwhile is refused', async () => {
  const me = await addUploader(garage, 'leaver');
  const files = await shelf.take('needs-missing');
  await signFile(files, me);
  await putFiles(garage, 'leaver', files);
  await disableAccount(garage, 'leaver');
  expect(await round(garage)).toMatchObject([{ status: 'rejected', code: 'account-disabled' }]);
  expect(await round(garage)).toEqual([]);
});
