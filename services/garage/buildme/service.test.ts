import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestGarage } from '../../../test/support/garage.ts';
import {
  addUploader,
  nameOf,
  namesIn,
  PackageShelf,
  putFiles,
  recordsOf,
  signFile,
  type Files,
  type Uploader,
} from '../../../test/support/uploading.ts';
import { waitFor } from '../../../test/support/wait.ts';
import { wake } from '../../../shared/database/listen.ts';
import { GARAGE_CHANNEL } from '../../../shared/protocol/tables.ts';
import { snapshotFile } from '../accounts/snapshot.ts';
import { buildmeRound } from './round.ts';
import { startBuildme } from './service.ts';
import { holdBuildme } from './single-instance.ts';

/** The schedule never comes in a test's life: what happens is done by hints and deadlines. */
const garage = await openTestGarage({ garage: { schedule: '0 0 29 2 *', missingFileGraceS: 0.5 } });
const shelf = new PackageShelf(path.join(garage.home.root, 'shelf'));
let maker: Uploader;
beforeAll(async () => {
  maker = await addUploader(garage, 'maker');
});
afterAll(() => garage.dispose());

const failing = (): Promise<void> => Promise.reject(new Error('wanted'));

async function signedGreeter(version: string): Promise<Files> {
  const files = await shelf.take('greeter', version);
  await signFile(files, maker);
  return files;
}

describe('the service', () => {
  test('takes what arrives, and what waits when its time comes; then does the other rounds', async () => {
    let rounds = 0;
    const counting = async (): Promise<void> => {
      rounds += 1;
      await Promise.resolve();
    };
    garage.log.level = 'silent';
    const service = await startBuildme(garage, [failing, counting]);
    try {
      await waitFor('the first round', () => rounds > 0);
      await putFiles(garage, 'maker', await signedGreeter('1.0-1'));
      await waitFor('an accepted upload', async () => (await recordsOf(garage, 'maker')).length === 1);
      const incomplete = await signedGreeter('2.0-1');
      incomplete.delete(nameOf(incomplete, '.orig.tar.xz'));
      await putFiles(garage, 'maker', incomplete);
      await waitFor('a rejected upload', async () => (await recordsOf(garage, 'maker')).length === 2);
      const before = rounds;
      await wake(garage.pool, GARAGE_CHANNEL);
      await waitFor('a round by NOTIFY', () => rounds > before);
    } finally {
      await service.stop();
      garage.log.level = 'error';
    }
    const states = (await recordsOf(garage, 'maker')).map(({ status }) => status).toSorted();
    expect(states).toEqual(['accepted', 'rejected']);
  });

  test('brings back an accounts snapshot that is gone', async () => {
    await rm(snapshotFile(garage));
    await buildmeRound(garage);
    expect(await readFile(snapshotFile(garage), 'utf8')).toContain('"maker"');
  });
});

describe('a round', () => {
  test('leaves while another is running, and says whose that is', async () => {
    const other = await holdBuildme(garage);
    await putFiles(garage, 'maker', await signedGreeter('3.0-1'));
    const lines: string[] = [];
    const result = await buildmeRound(garage, { onLine: (line) => lines.push(line) });
    expect(result).toMatchObject({ kind: 'busy' });
    expect(lines.join('\n')).toContain(`pid ${String(process.pid)}`);
    expect(await namesIn(garage.home.incoming, 'bookworm', 'maker')).not.toEqual([]);
    if (other.kind === 'held') await other.release();
    expect(await buildmeRound(garage)).toMatchObject({ kind: 'done', outcomes: [{ status: 'accepted' }] });
  });

  test('talks like the old one', async () => {
    const lines: string[] = [];
    const bad = await shelf.take('greeter', '4.0-1');
    await putFiles(garage, 'maker', bad);
    await buildmeRound(garage, { onLine: (line) => lines.push(line) });
    const trigger = path.join(garage.home.incoming, 'bookworm', 'maker', nameOf(bad, '.changes'));
    expect(lines[0]).toBe(`>>>> ${trigger}`);
    expect(lines[1]).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] REJECTED: "\.changes is not signed\."$/);
    expect(lines).toHaveLength(2);
  });
});
