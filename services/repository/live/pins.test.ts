import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { IncomingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPins } from './pins.ts';

let root: string;
let where: ReturnType<typeof createPins>;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'autobuilder-pins-'));
  for (const number of ['1', '2']) {
    const folder = path.join(root, 'devel/generations/bookworm', number, 'main');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'Packages.xz'), number);
  }
  await mkdir(path.join(root, 'devel/dists'));
  await switchTo('1');
  where = createPins(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function switchTo(number: string): Promise<void> {
  const link = path.join(root, 'devel/dists/new');
  await symlink(`../generations/bookworm/${number}`, link);
  await rename(link, path.join(root, 'devel/dists/bookworm'));
}

const client = (headers: IncomingHttpHeaders = {}): { socket: Socket; headers: IncomingHttpHeaders } => ({
  socket: new Socket(),
  headers,
});
const INDEX = '/devel/dists/bookworm/main/Packages.xz';
const IN_RELEASE = '/devel/dists/bookworm/InRelease';

test('a connection stays with the generation whose InRelease it got, until it asks for InRelease again', async () => {
  const [early, late] = [client(), client()];
  where(early, IN_RELEASE);
  await switchTo('2');
  where(late, IN_RELEASE);
  expect(where(early, INDEX)).toBe('/devel/generations/bookworm/1/main/Packages.xz');
  expect(where(late, INDEX)).toBe('/devel/generations/bookworm/2/main/Packages.xz');
  where(early, IN_RELEASE);
  expect(where(early, INDEX)).toBe('/devel/generations/bookworm/2/main/Packages.xz');
});

test('what was never asked for, is gone, or comes through a proxy is read as it stands', async () => {
  expect(where(client(), INDEX)).toBe(INDEX);
  const proxy = client({ via: '1.1 proxy' });
  where(proxy, IN_RELEASE);
  expect(where(proxy, INDEX)).toBe(INDEX);
  const pinned = client();
  where(pinned, IN_RELEASE);
  expect(where(pinned, '/devel/dists/bookworm/../../../secret')).toBe(
    '/devel/dists/bookworm/../../../secret',
  );
  expect(where(pinned, '/devel/pool/bookworm/x.deb')).toBe('/devel/pool/bookworm/x.deb');
  await rm(path.join(root, 'devel/generations/bookworm/1'), { recursive: true });
  expect(where(pinned, INDEX)).toBe(INDEX);
});
