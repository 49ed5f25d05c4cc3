/** Updates of a mirror that end after each of their steps, by an error and by kill -9. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireMirror } from '../../services/repository/mirror/rows.ts';
import { MirrorArchive, serveArchive } from '../support/mirror-archive.ts';
import { addMirror, mirrorRoot, stateOf, update } from './mirror-support.ts';
import { openTestRepository, type TestRepository } from './repository-support.ts';

/** What an update passes that fetches two files, one of them in place of another content. */
const STEPS = [
  ...['mirror-updating', 'mirror-releases', 'mirror-indexes', 'mirror-planned', 'mirror-file', 'mirror-file'],
  ...[
    'mirror-fetched',
    'mirror-suite-written',
    'mirror-generation-written',
    'mirror-noted',
    'mirror-replaced',
  ],
  ...['mirror-switched', 'mirror-swept'],
];

let repository: TestRepository;
let older: MirrorArchive;
let newer: MirrorArchive;
let current: string;

beforeAll(async () => {
  repository = await openTestRepository();
  const at = (name: string): string => path.join(repository.home.root, name);
  older = await MirrorArchive.make(at('older'));
  for (const name of ['stays', 'goes', 'changes']) await older.add({ name });
  await older.publish();
  newer = await older.copy(at('newer'));
  await newer.remove('goes_1.0_amd64');
  await newer.remove('changes_1.0_amd64');
  // A published name with another content: nobody should, and some do.
  await newer.add({ name: 'changes', bytes: 1000 });
  await newer.add({ name: 'comes', bytes: 500_000 });
  await newer.publish();
  current = at('current');
});
afterAll(() => repository.dispose());

async function show(archive: MirrorArchive): Promise<void> {
  await rm(`${current}.new`, { force: true });
  await symlink(archive.root, `${current}.new`);
  await rename(`${current}.new`, current);
}

/** A mirror of the older state; the archive shows the newer one then. */
async function oldMirror(name: string): Promise<Record<string, string>> {
  await show(older);
  await addMirror(repository, older, `file://${current}`, {}, { name });
  await update(repository, {}, name);
  const state = await stateOf(repository, name);
  await show(newer);
  return state;
}

/** What clients that begin now see: all but by-hash files and pool files of other states. */
function seen(state: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(state).filter(([file]) => file.startsWith('dists/') && !file.includes('/by-hash/')),
  );
}

/** Holds everything that the indexes of the shown state name to their sums. */
async function expectWhole(name: string): Promise<void> {
  const shown = (await stateOf(repository, name))['dists/stable/InRelease'];
  const archive = shown === (await inRelease(older)) ? older : newer;
  expect(shown).toBe(await inRelease(archive));
  for (const file of archive.named()) {
    expect([file, await archive.sha256(file, mirrorRoot(repository, name))]).toEqual([
      ...[file, await archive.sha256(file)],
    ]);
  }
}

function inRelease(archive: MirrorArchive): Promise<string> {
  return readFile(path.join(archive.root, 'dists/stable/InRelease'), 'latin1');
}

describe('an update that ends', () => {
  it('passes every step that is walked here', async () => {
    await oldMirror('reference');
    repository.passed();
    await update(repository, {}, 'reference');
    expect(repository.passed()).toEqual(STEPS);
  });

  it.each([...new Set(STEPS)])(
    'after %s shows the old or the new state whole, and the next ends it',
    async (step) => {
      const before = await oldMirror(step);
      repository.crashAfter(step);
      await expect(update(repository, {}, step)).rejects.toThrow('crash after');
      const between = seen(await stateOf(repository, step));
      const isOld = JSON.stringify(between) === JSON.stringify(seen(before));
      expect(isOld || between['dists/stable/InRelease'] === (await inRelease(newer))).toBe(true);
      // Between the replaced file and the rename lies nothing that could be walked: only a name can be at fault.
      if (step !== 'mirror-replaced') await expectWhole(step);
      await update(repository, {}, step);
      expect(seen(await stateOf(repository, step))).toEqual(seen(await stateOf(repository, 'reference')));
      await expectWhole(step);
    },
  );

  it('by kill -9 in the middle of a file leaves the old state, and the next goes on with that file', async () => {
    await show(newer);
    const server = await serveArchive(newer.root);
    await addMirror(repository, newer, server.url, { bytesPerSecond: 100_000 }, { name: 'killed' });
    const launcher = path.resolve(import.meta.dirname, '../../bin/autobuilder.ts');
    const argv = [launcher, 'mirror', 'update', 'killed'];
    const child = spawn(process.execPath, argv, { env: repository.env, stdio: 'ignore' });
    await server.asked('/pool/main/c/comes/comes_1.0_amd64.deb');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await requireMirror(repository.pool, 'killed')).toMatchObject({ status: 'updating' });
    await repository.pool.query(
      `update mirrors set settings = settings - 'bytesPerSecond' where name = 'killed'`,
    );
    await update(repository, {}, 'killed');
    expect(await requireMirror(repository.pool, 'killed')).toMatchObject({ status: 'current', files: 3 });
    await expectWhole('killed');
    await server.close();
  });
});
