import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BuildJob } from '../../../shared/protocol/job.ts';
import { collectResults } from './collect.ts';

const job = { source: 'hello', sourceVersion: '1:1.0-1' } as BuildJob;
const DEB = 'hello_1.0-1_amd64.deb';
const CHANGES = 'hello_1.0-1_amd64.changes';

let root: string;
let from: string;
let results: string;

beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'autobuilder-collect-'));
  from = path.join(root, 'build');
  results = path.join(root, 'results');
  await mkdir(from);
});

afterEach(() => rm(root, { recursive: true, force: true }));

const sum = (algorithm: string, text: string): string => createHash(algorithm).update(text).digest('hex');

async function changes(files: Record<string, string>, version = '1:1.0-1', source = 'hello'): Promise<void> {
  const list = (algorithm: string, extra: string): string =>
    Object.entries(files)
      .map(([name, text]) => `\n ${sum(algorithm, text)} ${text.length} ${extra}${name}`)
      .join('');
  const text = `Format: 1.8
Date: Mon, 01 Jan 2024 00:00:00 +0000
Source: ${source}
Binary: hello
Architecture: amd64
Version: ${version}
Distribution: bookworm
Urgency: medium
Maintainer: Package Tester <tester@example.org>
Changes:
 hello (${version}) bookworm; urgency=medium
Checksums-Sha1:${list('sha1', '')}
Checksums-Sha256:${list('sha256', '')}
Files:${list('md5', 'devel optional ')}
`;
  await writeFile(path.join(from, CHANGES), text);
}

test('what the .changes lists is taken, and nothing else', async () => {
  await changes({ [DEB]: 'deb' });
  await writeFile(path.join(from, DEB), 'deb');
  await writeFile(path.join(from, 'stray_1_amd64.deb'), 'x');
  const entries = await collectResults(from, results, job);
  expect(entries.map(({ name }) => name)).toEqual([CHANGES, DEB]);
  expect(entries[1]).toEqual({ name: DEB, size: 3, sha256: sum('sha256', 'deb') });
  expect((await lstat(path.join(results, DEB))).mode & 0o777).toBe(0o644);
  expect(existsSync(path.join(results, 'stray_1_amd64.deb'))).toBe(false);
});

test("a binNMU's version is the source's with its suffix", async () => {
  await changes({ [DEB]: 'deb' }, '1:1.0-1+b2', 'hello (1:1.0-1)');
  await writeFile(path.join(from, DEB), 'deb');
  await rm(path.join(from, 'hello_1.0-1+b2_amd64.changes'), { force: true });
  await expect(collectResults(from, results, job)).rejects.toThrow(/not named after/);
});

const cases: [string, () => Promise<void>, RegExp][] = [
  ['no .changes', async () => undefined, /one \.changes was expected, found 0/],
  ['a listed file that is missing', () => changes({ [DEB]: 'deb' }), /cannot be read/],
  [
    'a link in place of a file',
    async () => {
      await changes({ [DEB]: 'deb' });
      await writeFile(path.join(root, 'secret'), 'deb');
      await symlink(path.join(root, 'secret'), path.join(from, DEB));
    },
    /cannot be read/,
  ],
  [
    'a folder in place of a file',
    async () => {
      await changes({ [DEB]: 'deb' });
      await mkdir(path.join(from, DEB));
    },
    /not a regular file/,
  ],
  [
    'another content than its sum',
    async () => {
      await changes({ [DEB]: 'deb' });
      await writeFile(path.join(from, DEB), 'bad');
    },
    /does not match the sum/,
  ],
  ['no binary package', () => changes({ 'hello_1.0-1_amd64.buildinfo': 'x' }), /no binary package/],
  ['a file that is no result', () => changes({ [DEB]: 'deb', 'run.sh': 'x' }), /no build result/],
  ['another version', () => changes({ [DEB]: 'deb' }, '1:1.0-2'), /not of hello 1:1.0-1/],
  ['another source', () => changes({ [DEB]: 'deb' }, '1:1.0-1', 'other'), /not of hello/],
  ['a name that leaves the folder', () => changes({ '../../etc/x.deb': 'x' }), /not in the form/],
];

test.each(cases)('%s is refused, and leaves no results', async (_, arrange, message) => {
  await arrange();
  await expect(collectResults(from, results, job)).rejects.toMatchObject({ code: 'job-package' });
  await rm(`${results}.partial`, { recursive: true });
  await expect(collectResults(from, results, job)).rejects.toThrow(message);
  expect(existsSync(results)).toBe(false);
});

test('a build folder that is a link is refused', async () => {
  await symlink(from, path.join(root, 'link'));
  await expect(collectResults(path.join(root, 'link'), results, job)).rejects.toThrow(/build folder is gone/);
});
