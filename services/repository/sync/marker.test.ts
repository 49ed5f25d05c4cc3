import { mkdtempSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { isTouchedAgain, seeMarker, touchMarker, touchName, type SeenMarker } from './marker.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'autobuilder-marker-'));
const marker = path.join(folder, '.bookworm.changed');
afterAll(() => rmSync(folder, { recursive: true }));

async function see(): Promise<SeenMarker> {
  const seen = await seeMarker(marker);
  if (seen === null) throw new Error('no marker');
  return seen;
}

test('a touch by hand is told from a marker that a publisher made on the inode of the one before', async () => {
  await touchMarker(marker, 5);
  const synced = { marker: touchName(await see()), generation: 5 };
  expect(await isTouchedAgain(marker, await see(), synced)).toBe(false);
  utimesSync(marker, 1, 1);
  expect(await isTouchedAgain(marker, await see(), synced)).toBe(true);
  await touchMarker(marker, 6);
  const reused = { marker: `${String(statSync(marker).ino)}:1`, generation: 5 };
  expect(await isTouchedAgain(marker, await see(), reused)).toBe(false);
  expect(await isTouchedAgain(marker, await see(), { ...reused, generation: 6 })).toBe(true);
});
