import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { homeFolders } from '../../../shared/config/home.ts';
import { repositorySection } from '../config.ts';
import { keySettings, makeFolders } from './archive-key.ts';
import { Signing } from './signing.ts';
import { KeyVault } from './vault.ts';

const TEXT = 'Origin: Test\nCodename: bookworm\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n';
let root: string;
let vault: KeyVault;
let now = new Date('2026-01-31T12:00:00Z');

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'signing-'));
  const settings = keySettings(homeFolders(root), 'Test', repositorySection.parse({}));
  await makeFolders(settings);
  vault = await KeyVault.open(settings, () => now);
});
afterAll(() => rm(root, { recursive: true, force: true }));

function sign(signing: Signing): Promise<unknown> {
  const keys = vault.states.keys.map((key) => key.fingerprint);
  return signing.handle('sign', { text: TEXT, keys, queue: 'q', product: 'p', generation: 1 }, 'a test');
}

test('signs so many in a minute, and goes on in the next', async () => {
  const signing = new Signing(vault, 2);
  await sign(signing);
  await sign(signing);
  await expect(sign(signing)).rejects.toMatchObject({ code: 'signing-too-often' });
  now = new Date(now.getTime() + 60_000);
  await expect(sign(signing)).resolves.toMatchObject({
    inRelease: expect.stringContaining('BEGIN PGP SIGNATURE') as string,
  });
});

test('nothing is signed that the audit log cannot take', async () => {
  now = new Date('2026-02-01T00:00:00Z');
  await mkdir(path.join(vault.settings.folder, 'audit.2026-02.jsonl'));
  await expect(sign(new Signing(vault))).rejects.toThrow('EISDIR');
});

test('the version of the keyring rises with each change, and when the clock was set back too', async () => {
  const signing = new Signing(vault);
  const version = async (): Promise<string> => (await signing.handle('keys', {}, 'a test')).version;
  expect(await version()).toBe('20260131.1');
  const { fingerprint } = await vault.create();
  expect(await version()).toBe('20260131.1'); // nobody knows it yet
  now = new Date('2026-01-01T00:00:00Z');
  await rm(path.join(vault.settings.folder, 'audit.2026-02.jsonl'), { recursive: true });
  const change = { key: fingerprint, to: 'announced', force: false, dryRun: false } as const;
  await signing.handle('change', change, 'a test');
  expect(await version()).toBe('20260131.2');
});
