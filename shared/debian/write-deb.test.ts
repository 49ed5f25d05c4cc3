import { expect, test } from 'vitest';
import { extractControl, readDebControl } from './deb.ts';
import { packTar, writeDeb } from './write-deb.ts';

const CONTROL =
  'Package: odd\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: x\n';
const TIME = new Date('2026-01-01T00:00:00Z');
const FILES = [
  { path: 'usr/share/doc/odd/copyright', content: 'text\n' },
  { path: 'usr/share/odd/data.bin', content: new Uint8Array([0, 255, 10, 13]) },
];

test('the same content gives the same bytes, another content or time others', async () => {
  const first = await writeDeb(CONTROL, FILES, TIME);
  expect((await writeDeb(CONTROL, FILES, new Date(TIME))).equals(first)).toBe(true);
  expect((await writeDeb(CONTROL, FILES, new Date(0))).equals(first)).toBe(false);
  expect((await writeDeb(CONTROL, FILES.slice(1), TIME)).equals(first)).toBe(false);
});

test('our own reader, which trusts nothing, reads its control file', async () => {
  const bytes = await writeDeb(CONTROL, FILES, TIME);
  const readAt = (offset: number, length: number): Promise<Uint8Array> =>
    Promise.resolve(bytes.subarray(offset, offset + length));
  const member = await readDebControl(readAt, bytes.length);
  const content = await readAt(member.offset, member.size);
  const control = await extractControl(member.name, content, () => Promise.reject(new Error('no xz here')));
  expect(control.version).toBe('1.0');
});

test('a source tar has its files below one folder, without entries for what is above', async () => {
  const plain = await packTar(FILES, { prefix: 'odd-1.0/', time: TIME, folders: false });
  const withFolders = await packTar(FILES, { prefix: 'odd-1.0/', time: TIME, folders: true });
  expect(withFolders.length).toBeGreaterThan(plain.length);
});
