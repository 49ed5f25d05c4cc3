import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readlink, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BaseSpec } from '../../../shared/protocol/job.ts';
import { BuildLog } from '../logs/build-log.ts';
import { baseName, ensureBase } from './base.ts';
import { tryLockFile } from '../../../shared/files/lock.ts';

let workdir: string;
let said: string;

/** A source that no base can be made from, since its keyring is missing. */
const spec: BaseSpec = {
  product: 'bookworm',
  architecture: 'amd64',
  sources: [
    {
      uris: ['http://archive.example.org/debian'],
      suites: ['bookworm'],
      components: ['main'],
      keyring: '/nonexistent/archive.gpg',
    },
  ],
  maxAgeHours: 1,
};

const HOUR_MS = 3_600_000;

function context(): Parameters<typeof ensureBase>[1] {
  const sink = {
    write: (bytes: Uint8Array) => void (said += Buffer.from(bytes).toString()),
    close: () => undefined,
  };
  const log = new BuildLog(sink, 1024 * 1024, () => undefined);
  return { workdir, log, signal: new AbortController().signal };
}

/** A version as another run left it. */
async function version(name: string, ageHours: number, isCurrent: boolean): Promise<string> {
  const entry = `${name}@${Date.now() - Math.round(ageHours * HOUR_MS)}`;
  const folder = path.join(workdir, 'bases', entry);
  await mkdir(path.join(folder, 'root'), { recursive: true });
  await writeFile(path.join(folder, 'in-use'), '');
  if (isCurrent) await symlink(entry, path.join(workdir, 'bases', name));
  return folder;
}

beforeEach(async () => {
  workdir = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-base-'));
  said = '';
});

afterEach(() => rm(workdir, { recursive: true, force: true }));

test('a fresh base is used as it is', async () => {
  const folder = await version(baseName(spec), 0.5, true);
  const base = await ensureBase(spec, context());
  expect(base.folder).toBe(folder);
  expect(said).toBe('');
  expect(await tryLockFile(path.join(folder, 'in-use'), 'exclusive')).toBeNull();
  await base.release();
  const lock = await tryLockFile(path.join(folder, 'in-use'), 'exclusive');
  expect(lock).not.toBeNull();
  await lock?.release();
});

test('one that is too old is used still when a new one cannot be made; unused versions go, used ones stay', async () => {
  const name = baseName(spec);
  const current = await version(name, 2, true);
  const used = await version(name, 3, false);
  const unused = await version(name, 4, false);
  const lock = await tryLockFile(path.join(used, 'in-use'), 'shared');
  const base = await ensureBase(spec, context());
  expect(base.folder).toBe(current);
  expect(said).toContain('W: the old base is used');
  expect([existsSync(used), existsSync(unused)]).toEqual([true, false]);
  expect(await readlink(path.join(workdir, 'bases', name))).toBe(path.basename(current));
  expect((await readdir(path.join(workdir, 'bases'))).filter((entry) => entry.endsWith('.partial'))).toEqual(
    [],
  );
  await base.release();
  await lock?.release();
});

test("a base that is missing and cannot be made is the machine's fault", async () => {
  await expect(ensureBase(spec, context())).rejects.toMatchObject({ code: 'job-machine' });
});

test('other sources are another base', async () => {
  const other = { ...spec, sources: [{ ...spec.sources[0]!, components: ['main', 'contrib'] }] };
  expect(baseName(other)).not.toBe(baseName(spec));
  expect(baseName({ ...spec, maxAgeHours: 99 })).toBe(baseName(spec));
});

test('a base that nobody used for a month is removed once another is made', async () => {
  const { removeForgotten } = await import('./base-versions.ts');
  const old = await version('lenny-amd64-000000000000', 24 * 90, true);
  const recent = await version('sid-amd64-000000000000', 24 * 90, true);
  const longAgo = new Date(Date.now() - 31 * 24 * HOUR_MS);
  await utimes(path.join(old, 'in-use'), longAgo, longAgo);
  await removeForgotten(path.join(workdir, 'bases'));
  expect([existsSync(old), existsSync(recent)]).toEqual([false, true]);
});
