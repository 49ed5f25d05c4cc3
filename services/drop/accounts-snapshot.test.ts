import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeFileDurably } from '../../shared/files/durable.ts';
import { createAccountsReader, parseAccounts, type AccountsReader } from './accounts-snapshot.ts';

/** The wire form of a made-up Ed25519 key, and its line. */
function key(fill: number): { wire: Buffer; line: string } {
  const type = Buffer.from('ssh-ed25519');
  const wire = Buffer.concat([Buffer.from([0, 0, 0, type.length]), type, Buffer.from([0, 0, 0, 32])]);
  const whole = Buffer.concat([wire, Buffer.alloc(32, fill)]);
  return { wire: whole, line: `ssh-ed25519 ${whole.toString('base64')} somebody` };
}
const [one, two] = [key(1), key(2)];
const snapshot = (accounts: unknown, products = ['bookworm']): string =>
  JSON.stringify({ version: 1, writtenAt: '2026-01-01T00:00:00Z', products, accounts });

describe('a snapshot', () => {
  const accounts = parseAccounts(
    snapshot([
      { login: 'sender', sshKeys: [one.line, two.line] },
      { login: 'guest', sshKeys: [two.line] },
      { login: 'snoop', sshKeys: ['', 'nonsense', 'ssh-rsa AAAA', `ssh-rsa ${one.wire.toString('base64')}`] },
    ]),
  );
  test.each([
    ['sender', one, true],
    ['sender', two, true],
    ['guest', two, true],
    ['guest', one, false],
    ['snoop', one, false],
    ['nobody', one, false],
    ['__proto__', one, false],
  ])('login %s', (login, { wire }, allowed) => {
    expect(accounts.mayUse(login, wire)).toBe(allowed);
  });

  test.each(['nobody', 'snoop'])('the stand-in for missing keys opens nothing for %s', (login) => {
    for (const length of [0, 4, 51]) expect(accounts.mayUse(login, Buffer.alloc(length))).toBe(false);
  });

  test.each([
    ['not JSON', '{', 'JSON'],
    ['an unknown version', '{"version":2}', 'version'],
    ['a login that is a path', snapshot([{ login: '../x', sshKeys: [] }]), 'login'],
    ['a product that is a path', snapshot([], ['..']), 'products'],
    ['an unknown key', snapshot([{ login: 'sender', sshKeys: [], admin: true }]), 'admin'],
  ])('is refused as %s', (_, text, named) => {
    expect(() => parseAccounts(text)).toThrow(named);
  });
});

describe('the reader', () => {
  let folder: string;
  let file: string;
  let lines: string[];
  let reader: AccountsReader;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'accounts-'));
    file = path.join(folder, 'accounts.json');
    lines = [];
    reader = createAccountsReader(
      file,
      pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
    );
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  const mayUse = async (): Promise<boolean | undefined> =>
    (await reader.current())?.mayUse('sender', one.wire);

  test('sees each change at the next question', async () => {
    await writeFileDurably(file, snapshot([{ login: 'sender', sshKeys: [one.line] }]));
    expect(await mayUse()).toBe(true);
    const before = await reader.current();
    expect(await reader.current()).toBe(before);
    await writeFileDurably(file, snapshot([{ login: 'sender', sshKeys: [two.line] }]));
    expect(await mayUse()).toBe(false);
    await writeFileDurably(file, snapshot([{ login: 'sender', sshKeys: [one.line] }]));
    expect(await mayUse()).toBe(true);
  });

  test('lets nobody in while the file is missing or broken, and says so once for each state', async () => {
    expect(await reader.current()).toBeNull();
    expect(await reader.current()).toBeNull();
    expect(lines).toHaveLength(1);
    await writeFileDurably(file, snapshot([{ login: 'sender', sshKeys: [one.line] }]));
    expect(await mayUse()).toBe(true);
    await writeFile(file, '{ "version": 1');
    expect(await reader.current()).toBeNull();
    expect(await reader.current()).toBeNull();
    expect(lines).toHaveLength(2);
    await rm(file);
    expect(await reader.current()).toBeNull();
    expect(lines).toHaveLength(3);
  });
});
