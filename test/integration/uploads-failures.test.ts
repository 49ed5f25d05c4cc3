/** Uploads that fail by our fault: bounded tries, longer and longer waits, admins told once, a person's retry. */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { retryFailed } from '../../services/garage/buildme/retry.ts';
import { buildmeRound, nextDeadlineMs } from '../../services/garage/buildme/round.ts';
import { MAX_FAILURES } from '../../services/garage/uploads/retries.ts';
import type { UploadOutcome } from '../../services/garage/uploads/outcome.ts';
import { takeUploads } from '../../services/garage/uploads/take-uploads.ts';
import { openTestGarage } from '../support/garage.ts';
import { addUploader, PackageShelf, putFiles, recordsOf, signFile } from '../support/uploading.ts';

const garage = await openTestGarage();
garage.log.level = 'silent'; // the failures here are wanted
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
afterAll(() => garage.dispose());

type Failed = Extract<UploadOutcome, { kind: 'failed' }>;

async function failedRound(now: Date): Promise<Failed> {
  const outcomes = await takeUploads(garage, { now });
  const failed = outcomes.find((outcome) => outcome.kind === 'failed');
  expect(failed).toBeDefined();
  return failed!;
}

async function stuckMails(): Promise<{ recipient: string; body: string; subject: string }[]> {
  const { rows } = await garage.pool.query<{ recipient: string; body: string; subject: string }>(
    "select recipient, subject, body from mails where kind = 'upload-stuck' order by recipient",
  );
  return rows;
}

beforeAll(async () => {
  const uploader = await addUploader(garage, 'uploader');
  for (const admin of ['admin', 'other-admin']) {
    const { id } = await addUploader(garage, admin);
    await garage.pool.query('update accounts set admin = true where id = $1', [id]);
  }
  const files = await shelf.take('greeter');
  await signFile(files, uploader);
  await putFiles(garage, 'uploader', files);
  // Nobody can make a folder of a file's name: a disk that refuses.
  await writeFile(garage.home.verifying, '');
});

interface Try {
  waitS: number;
  failed: Failed;
  /** What a look before its time said, and how many failures it left. */
  early: Failed | null;
  failuresAfterEarly: number;
}

async function oneTry(now: Date): Promise<Try> {
  const failed = await failedRound(now);
  const waitS = Math.round(((failed.retryAt?.getTime() ?? 0) - now.getTime()) / 1000);
  const early = waitS > 0 ? await failedRound(new Date(now.getTime() + waitS * 500)) : null;
  const { rows } = await garage.pool.query<{ failures: number }>('select failures from uploads');
  return { waitS, failed, early, failuresAfterEarly: rows[0]?.failures ?? 0 };
}

test('tries come at once, then wait longer and longer, then end; admins are told once', async () => {
  let now = new Date();
  const tries: Try[] = [];
  while (tries.length < MAX_FAILURES - 1) {
    tries.push(await oneTry(now));
    now = tries.at(-1)!.failed.retryAt!;
  }
  for (const [index, { failed, early, failuresAfterEarly }] of tries.entries()) {
    expect(failed).toMatchObject({
      message: expect.stringMatching(/EEXIST|ENOTDIR/) as string,
      isGivenUp: false,
    });
    expect(early?.retryAt ?? failed.retryAt).toEqual(failed.retryAt);
    expect(failuresAfterEarly).toBe(index + 1);
  }
  const waitsS = tries.map(({ waitS }) => waitS);
  expect(waitsS).toEqual(waitsS.toSorted((a, b) => a - b));
  expect(waitsS[0]).toBe(0);
  expect(waitsS.at(-1)).toBe(3600);
  expect(await stuckMails()).toEqual([]);
  expect(await failedRound(now)).toMatchObject({ isGivenUp: true, retryAt: null });
  const later = new Date(now.getTime() + 7 * 24 * 3600_000);
  expect(await failedRound(later)).toMatchObject({ isGivenUp: true });
  expect((await stuckMails()).map(({ recipient }) => recipient)).toEqual([
    'admin@example.org',
    'other-admin@example.org',
  ]);
  expect((await stuckMails())[0]!.subject).toBe('greeter_1.0-1_source.changes is STUCK after 14 tries');
  expect((await stuckMails())[0]!.body).toMatch(/buildme --retry/);
});

test('others go on meanwhile, and the uploader was told nothing wrong', async () => {
  const [record] = await recordsOf(garage, 'uploader');
  expect(record).toMatchObject({ status: 'verifying', settled: false, mails: [] });
});

test('the service looks again when the next try is due', async () => {
  await garage.pool.query("update uploads set failures = 5, retry_at = now() + interval '60 seconds'");
  const due = nextDeadlineMs(await buildmeRound(garage));
  expect(due).toBeGreaterThan(Date.now());
  expect(due).toBeLessThan(Date.now() + 61_000);
  await garage.pool.query('update uploads set failures = $1, retry_at = null', [MAX_FAILURES]);
});

test('a retry by hand begins anew, and ends well once the fault is mended', async () => {
  expect(await retryFailed(garage, 'greeter')).toEqual({ builds: [], uploads: 1 });
  await rm(garage.home.verifying);
  expect(await takeUploads(garage)).toMatchObject([{ kind: 'decided', status: 'accepted' }]);
  expect(await recordsOf(garage, 'uploader')).toMatchObject([{ status: 'accepted', settled: true }]);
});

test('retries put back what was not the package’s fault, or everything of a source that is named', async () => {
  const states = async (): Promise<unknown> =>
    (await garage.pool.query('select status, given_back from builds')).rows;
  const fail = (status: string, failClass: string): Promise<unknown> =>
    garage.pool.query('update builds set status = $1, fail_class = $2, given_back = 4', [status, failClass]);
  const well = [{ status: 'needs-build', given_back: 0 }];
  for (const [status, failClass] of [
    ['attempted', 'machine'],
    ['attempted', 'repository'],
    ['given-back', 'machine'],
  ] as const) {
    await fail(status, failClass);
    expect(await retryFailed(garage, null)).toMatchObject({ builds: [{ source: 'greeter', status }] });
    expect(await states()).toEqual(well);
  }
  for (const [status, failClass] of [
    ['attempted', 'package'],
    ['dep-wait', 'dep-wait'],
  ] as const) {
    await fail(status, failClass);
    expect(await retryFailed(garage, null)).toEqual({ builds: [], uploads: 0 });
    expect(await retryFailed(garage, 'greeter')).toMatchObject({ builds: [{ source: 'greeter' }] });
    expect(await states()).toEqual(well);
  }
  await fail('cancelled', 'package');
  expect(await retryFailed(garage, 'greeter')).toEqual({ builds: [], uploads: 0 });
  await expect(retryFailed(garage, 'nothing-like-it')).rejects.toMatchObject({ code: 'source-unknown' });
});

test('an older version is not built again when a newer one was accepted', async () => {
  const uploader = await addUploader(garage, 'another');
  await garage.pool.query('update accounts set admin = true where id = $1', [uploader.id]);
  const files = await shelf.take('greeter', '2.0-1');
  await signFile(files, uploader);
  await putFiles(garage, 'another', files);
  await takeUploads(garage);
  await garage.pool.query("update builds set status = 'attempted', fail_class = 'machine'");
  expect(await retryFailed(garage, null)).toMatchObject({ builds: [{ version: '2.0-1' }] });
});
