import { mkdir, mkdtemp, readFile, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dropSection } from '../config.ts';
import { createMetrics, type DropMetrics } from '../metrics.ts';
import { createSpool, type Spool } from './spool.ts';
import { sweepPartials } from './sweep.ts';

const ADA = { product: 'bookworm', login: 'sender' };
let incoming: string;
let folder: string;
let metrics: DropMetrics;

beforeEach(async () => {
  incoming = await mkdtemp(path.join(tmpdir(), 'spool-'));
  folder = path.join(incoming, 'bookworm', 'sender');
  metrics = createMetrics();
});
afterEach(async () => {
  await rm(incoming, { recursive: true, force: true });
});

function spoolWith(limits: Record<string, number> = {}): Spool {
  return createSpool({ incoming, metrics, limits: dropSection.parse({ limits }).limits });
}
async function put(spool: Spool, name: string, text = 'x'): Promise<void> {
  const file = await spool.open(ADA, name);
  await file.write(Buffer.from(text));
  await file.commit();
}
const openUploads = async (): Promise<number | undefined> =>
  (await metrics.openUploads.get()).values[0]?.value;

describe('limits', () => {
  test('uploads at once: an end of any kind makes room', async () => {
    const spool = spoolWith({ maxUploads: 2 });
    const [first, second] = [await spool.open(ADA, 'a'), await spool.open(ADA, 'b')];
    await expect(spool.open(ADA, 'c')).rejects.toMatchObject({ code: 'too-many-uploads' });
    await first.commit();
    await put(spool, 'c');
    await second.abort();
    await second.abort();
    await expect(spool.open(ADA, '.bad')).rejects.toMatchObject({ code: 'file-name-invalid' });
    expect(await openUploads()).toBe(0);
  });

  test('files in a folder: replacing one is no new file', async () => {
    const spool = spoolWith({ maxFilesPerFolder: 2 });
    await put(spool, 'a');
    await put(spool, 'b');
    await expect(spool.open(ADA, 'c')).rejects.toMatchObject({ code: 'folder-full' });
    await put(spool, 'a', 'again');
    await spool.remove(ADA, 'b');
    await put(spool, 'c');
  });

  test('room on the disk', async () => {
    const spool = spoolWith({ minFreeBytes: Number.MAX_SAFE_INTEGER });
    await expect(spool.open(ADA, 'a')).rejects.toMatchObject({ code: 'disk-full' });
    expect(await readdir(incoming)).toEqual([]);
  });
});

describe('a login’s files', () => {
  test('are listed when whole and regular, by name', async () => {
    const spool = spoolWith();
    expect(await spool.list(ADA)).toEqual([]);
    await put(spool, 'b.dsc', 'four');
    await put(spool, 'a.dsc');
    await (await spool.open(ADA, 'arriving')).write(Buffer.from('x'));
    await symlink('/etc/passwd', path.join(folder, 'link'));
    await mkdir(path.join(folder, 'folder'));
    expect((await spool.list(ADA)).map(({ name, size }) => [name, size])).toEqual([
      ['a.dsc', 1],
      ['b.dsc', 4],
    ]);
    expect(await spool.stat(ADA, 'link')).toBeNull();
    expect(await spool.list({ ...ADA, login: 'guest' })).toEqual([]);
  });

  test('are renamed, never over another', async () => {
    const spool = spoolWith();
    await put(spool, 'a', 'of a');
    await put(spool, 'b', 'of b');
    await expect(spool.rename(ADA, 'a', 'b')).rejects.toMatchObject({ code: 'file-exists' });
    await expect(spool.rename(ADA, 'absent', 'c')).rejects.toMatchObject({ code: 'file-missing' });
    await expect(spool.rename(ADA, 'a', '../c')).rejects.toMatchObject({ code: 'file-name-invalid' });
    await spool.rename(ADA, 'a', 'a');
    await spool.rename(ADA, 'a', 'c');
    expect((await readdir(folder)).sort()).toEqual(['b', 'c']);
    expect(await readFile(path.join(folder, 'c'), 'utf8')).toBe('of a');
  });

  test('that must be new are refused when they are not', async () => {
    const spool = spoolWith();
    await put(spool, 'a');
    await expect(spool.open(ADA, 'a', { mustBeNew: true })).rejects.toMatchObject({ code: 'file-exists' });
  });
});

test('draining refuses new files and waits for open ones', async () => {
  const spool = spoolWith();
  const file = await spool.open(ADA, 'a');
  const draining = spool.drain();
  await expect(spool.open(ADA, 'b')).rejects.toMatchObject({ code: 'shutting-down' });
  expect(await Promise.race([draining, Promise.resolve('waiting')])).toBe('waiting');
  await file.commit();
  await draining;
  expect(await readdir(folder)).toEqual(['a']);
});

test('the sweep removes stale partial files only', async () => {
  await mkdir(folder, { recursive: true });
  for (const name of ['old.partial', 'new.partial', 'old']) await writeFile(path.join(folder, name), '');
  for (const name of ['old.partial', 'old']) await utimes(path.join(folder, name), 1000, 1000);
  await writeFile(path.join(incoming, 'not-a-folder'), '');
  expect(await sweepPartials(incoming, new Date(2_000_000))).toBe(1);
  expect((await readdir(folder)).sort()).toEqual(['new.partial', 'old']);
  expect(await sweepPartials(path.join(incoming, 'absent'), new Date())).toBe(0);
});
