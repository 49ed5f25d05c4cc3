import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { passphraseFile, readPassphrase } from './passphrase.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'passphrase-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the configured file goes before the credential, which goes before the one that is made', () => {
  const embedded = '/home/passphrase';
  const both = { configured: '/etc/secret', credentials: '/run/credentials/x', embedded };
  expect(passphraseFile(both)).toEqual({ file: '/etc/secret', isMade: false });
  expect(passphraseFile({ ...both, configured: undefined })).toEqual({
    file: '/run/credentials/x/archive-key-passphrase',
    isMade: false,
  });
  expect(passphraseFile({ configured: undefined, credentials: undefined, embedded })).toEqual({
    file: embedded,
    isMade: true,
  });
});

test('two that start at once make one passphrase, for their user alone', async () => {
  const source = { file: path.join(folder, 'made'), isMade: true };
  const [one, two] = await Promise.all([readPassphrase(source), readPassphrase(source)]);
  expect(one).toBe(two);
  expect(one.length).toBeGreaterThan(40);
  expect((await stat(source.file)).mode & 0o777).toBe(0o600);
  expect(await readFile(source.file, 'utf8')).toBe(`${one}\n`);
  await chmod(source.file, 0o644);
  await expect(readPassphrase(source)).rejects.toMatchObject({ code: 'key-passphrase-exposed' });
});

test.each([
  ['', 'key-passphrase-invalid'],
  ['\nsecond line', 'key-passphrase-invalid'],
  ['x'.repeat(5000), 'key-passphrase-invalid'],
])('a given file must hold one: %#', async (text, code) => {
  const file = path.join(folder, 'given');
  await writeFile(file, text, { mode: 0o600 });
  await expect(readPassphrase({ file, isMade: false })).rejects.toMatchObject({ code });
});

test('a given file that is not there is told, not made', async () => {
  const missing = { file: path.join(folder, 'missing'), isMade: false };
  await expect(readPassphrase(missing)).rejects.toMatchObject({ code: 'key-passphrase-missing' });
});
