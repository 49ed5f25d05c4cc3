import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCredentials } from './credentials.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'autobuilder-credentials-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(text: string, mode = 0o600): Promise<string> {
  const name = path.join(folder, 'auth');
  await writeFile(name, text);
  await chmod(name, mode);
  return name;
}

const BASIC = `Basic ${Buffer.from('me:pass').toString('base64')}`;

describe('logins of a file', () => {
  it.each([
    ['example.org', 'https://example.org/debian/x', true],
    ['example.org', 'https://example.org:8443/x', true],
    ['example.org', 'http://example.org/x', false], // a password in the clear, unless it is asked for
    ['http://example.org', 'http://example.org/x', true],
    ['example.org:8443', 'https://example.org/x', false],
    ['example.org/debian', 'https://example.org/debian/x', true],
    ['example.org/debian', 'https://example.org/debian-private/x', false],
    ['example.org', 'https://evil.example.org/x', false],
  ])('machine %s for %s: %s', async (machine, url, isMeant) => {
    const own = await readCredentials(await file(`# mine\nmachine ${machine} login me\n password pass\n`));
    expect(own(new URL(url))).toBe(isMeant ? BASIC : null);
  });

  it.each([
    ['what is no such file', 'login me', 0o600],
    ['half a pair', 'machine', 0o600],
    ['a file that everybody reads', 'machine x login me password secret', 0o644],
  ])('refuses %s, and does not repeat it', async (_what, text, mode) => {
    const error = (await readCredentials(await file(text, mode)).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: 'mirror-auth-invalid' });
    expect(error.message).not.toContain('secret');
  });
});
