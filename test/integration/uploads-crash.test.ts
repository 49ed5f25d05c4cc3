/**
 * A round that ends at any step, as by kill -9, is finished by the next one: one row, one mail, one folder,
 * no file lost. And what goes wrong with one upload never stops another.
 */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { takeUploads } from '../../services/garage/uploads/take-uploads.ts';
import { openTestGarage } from '../support/garage.ts';
import {
  addUploader,
  namesIn,
  PackageShelf,
  putFiles,
  recordsOf,
  round,
  signFile,
  type Uploader,
} from '../support/uploading.ts';

const garage = await openTestGarage();
garage.log.level = 'silent'; // the failures here are wanted
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
afterAll(() => garage.dispose());

const STEPS = ['recorded', 'moving', 'taken', 'verified', 'decided', 'prepared', 'moved'];
let uploader: Uploader;
let counter = 0;

beforeAll(async () => {
  uploader = await addUploader(garage, 'signer');
});

/** A round that ends the `count`th time it comes to `step`: nothing after it is done for any upload. */
async function crashingRound(step: string, count = 1): Promise<void> {
  let seen = 0;
  const onStep = (name: string): void => {
    if (name === step) seen += 1;
    if (seen >= count) throw new Error(`killed at ${step}`);
  };
  await takeUploads(garage, { onStep });
}

async function send(isGood: boolean): Promise<{ login: string; names: string[] }> {
  counter += 1;
  const login = `crash-${String(counter)}`;
  await addUploader(garage, login);
  const files = await shelf.take('greeter', `1.${String(counter)}-1`);
  if (isGood) await signFile(files, uploader);
  await putFiles(garage, login, files);
  return { login, names: [...files.keys()] };
}

describe.each([
  { isGood: true, status: 'accepted' },
  { isGood: false, status: 'rejected' },
])('an upload that is $status', ({ isGood, status }) => {
  test.each(STEPS)('a crash at %s', async (step) => {
    const { login, names } = await send(isGood);
    await crashingRound(step, step === 'moving' ? 2 : 1);
    await round(garage);
    await round(garage);
    const [record, ...others] = await recordsOf(garage, login);
    expect(others).toEqual([]);
    expect(record).toMatchObject({ status, settled: true });
    expect(record!.mails).toHaveLength(1);
    expect(await namesIn(garage.home.incoming, 'bookworm', login)).toEqual([]);
    expect(await namesIn(garage.home.verifying)).toEqual([]);
    const { rows } = await garage.pool.query<{ directory: string }>(
      'select directory from sources where upload_id = $1',
      [record!.id],
    );
    const folder = isGood ? rows[0]!.directory : `rejected/bookworm/${record!.id}`;
    const wanted = isGood ? names : [...names, 'REASON'];
    expect(await namesIn(garage.home.root, folder)).toEqual(wanted.toSorted());
    const builds = await garage.pool.query(
      'select 1 from builds b join sources s on s.id = b.source_id where s.upload_id = $1',
      [record!.id],
    );
    expect(builds.rowCount).toBe(isGood ? 1 : 0);
  });
});

test('files that arrive again while the first ones are being taken stay for the next upload', async () => {
  const { login, names } = await send(false);
  await crashingRound('taken');
  const folder = path.join(garage.home.incoming, 'bookworm', login);
  await writeFile(path.join(folder, names[0]!), 'sent again');
  await round(garage);
  expect(await recordsOf(garage, login)).toMatchObject([{ status: 'rejected', settled: true }]);
  expect(await readFile(path.join(folder, names[0]!), 'utf8')).toBe('sent again');
});

test('a set that could not be taken is not recorded a second time', async () => {
  const { login } = await send(true);
  await crashingRound('recorded');
  // Nobody can make a folder of a file's name: a disk that refuses.
  await rm(garage.home.verifying, { recursive: true, force: true });
  await writeFile(garage.home.verifying, '');
  const other = await send(true);
  for (let time = 0; time < 3; time += 1) {
    expect(await round(garage)).toContainEqual(expect.objectContaining({ kind: 'failed', login }));
  }
  expect(await recordsOf(garage, login)).toMatchObject([{ status: 'verifying', settled: false }]);
  await rm(garage.home.verifying);
  await round(garage);
  expect(await recordsOf(garage, login)).toMatchObject([{ status: 'accepted', settled: true }]);
  expect(await recordsOf(garage, other.login)).toMatchObject([{ status: 'accepted', settled: true }]);
});

test("one upload's unexpected error does not stop the others", async () => {
  const broken = await send(false);
  const fine = await send(true);
  // The first one's last place is taken by a file: its rename fails until an admin looks.
  await crashingRound('decided');
  const [record] = await recordsOf(garage, broken.login);
  const place = path.join(garage.home.rejected, 'bookworm', record!.id);
  await mkdir(path.dirname(place), { recursive: true });
  await writeFile(place, '');
  await chmod(place, 0o400);
  const outcomes = await round(garage);
  expect(outcomes).toContainEqual(expect.objectContaining({ kind: 'failed', login: broken.login }));
  expect(await recordsOf(garage, fine.login)).toMatchObject([{ status: 'accepted', settled: true }]);
  await rm(place);
  await round(garage);
  expect(await recordsOf(garage, broken.login)).toMatchObject([{ status: 'rejected', settled: true }]);
});
