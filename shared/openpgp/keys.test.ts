import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../process/run.ts';
import { verifyClearsigned } from './clearsigned.ts';
import { GnupgHome } from './gnupg-home.fixture.ts';
import { generateArchiveKey, readPublicKey, type ArchiveKey } from './keys.ts';
import { clearsign, detachSign } from './sign.ts';

const RELEASE = 'Origin: Example\nDescription: für alle\nSHA256:\n abc 1 main/binary-amd64/Packages\n';

let home: GnupgHome;
let folder: string;
let key: ArchiveKey;
const now = new Date();

beforeAll(async () => {
  home = await GnupgHome.make();
  folder = await mkdtemp(path.join(tmpdir(), 'keys-'));
  key = await generateArchiveKey({ name: 'Example Archive', email: 'archive@example.org', now });
}, 60_000);

afterAll(async () => {
  await home.remove();
  await rm(folder, { recursive: true, force: true });
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(path.join(folder, name), content);
  return path.join(folder, name);
}

describe('readPublicKey', () => {
  it('reads what gpg exports', async () => {
    const fingerprint = await home.generate('Größe <groesse@example.org>', 'ed25519', '2090-01-01');
    const facts = await readPublicKey(`some words\n${await home.export(fingerprint)}`);
    expect(facts).toMatchObject({ fingerprint, userIds: ['Größe <groesse@example.org>'], revoked: false });
    expect(facts.expiresAt?.getUTCFullYear()).toBe(2090);
    await expect(readPublicKey(facts.armored)).resolves.toEqual(facts);
  });

  it('says that a key is revoked', async () => {
    const fingerprint = await home.generate('Lost <lost@example.org>', 'ed25519', 'never');
    await home.revoke(fingerprint);
    await expect(readPublicKey(await home.export(fingerprint))).resolves.toMatchObject({ revoked: true });
  });

  it('refuses a private key, whatever its armor says', async () => {
    const refused = expect.objectContaining({ code: 'key-is-private' });
    await expect(readPublicKey(key.armoredPrivate)).rejects.toThrow(refused);
    await expect(readPublicKey(key.armoredPrivate.replaceAll('PRIVATE', 'PUBLIC'))).rejects.toThrow(refused);
  });

  it.each([
    ['nothing', () => ''],
    ['an SSH key', () => 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== x'],
    ['a cut key', () => key.armoredPublic.slice(0, 200)],
    ['a huge text', () => key.armoredPublic + ' '.repeat(2_000_000)],
    ['a signature', () => '-----BEGIN PGP SIGNATURE-----\n\naaaa\n-----END PGP SIGNATURE-----\n'],
  ])('refuses %s', async (_what, make) => {
    await expect(readPublicKey(make())).rejects.toThrow(expect.objectContaining({ code: 'key-invalid' }));
  });

  it('refuses several keys in one block', async () => {
    await home.generate('Third <third@example.org>', 'ed25519', 'never');
    const all = await home.gpg(['--armor', '--export']);
    await expect(readPublicKey(all)).rejects.toThrow('expected one');
  });
});

describe('the archive key', () => {
  it('is a public key like any other, without end', async () => {
    await expect(readPublicKey(key.armoredPublic)).resolves.toMatchObject({
      fingerprint: key.fingerprint,
      userIds: ['Example Archive <archive@example.org>'],
      expiresAt: null,
    });
  });

  it('clearsigns what gpgv and we verify', async () => {
    const signed = await clearsign(RELEASE, key.armoredPrivate, now);
    expect(signed).toContain('Hash: SHA512');
    expect(signed).not.toContain('\r');
    const keyring = await file('archive.gpg', key.binaryPublic);
    const ended = await run(['gpgv', '--keyring', keyring, '--output', '-', await file('InRelease', signed)]);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout.toString()).toBe(RELEASE);
    const records = [{ fingerprint: key.fingerprint, armored: key.armoredPublic }];
    await expect(verifyClearsigned(signed, records, new Date())).resolves.toMatchObject({ content: RELEASE });
  });

  it('makes detached signatures that gpgv verifies, and only for the text signed', async () => {
    const signature = await file('Release.gpg', await detachSign(RELEASE, key.armoredPrivate, now));
    const keyring = await file('archive.gpg', key.binaryPublic);
    const check = async (text: string) =>
      run(['gpgv', '--keyring', keyring, signature, await file('Release', text)]);
    await expect(check(RELEASE)).resolves.toMatchObject({ code: 0 });
    await expect(check(`${RELEASE} `)).resolves.toMatchObject({ code: 1 });
  });

  it('is refused for signing when it is public, broken or too new', async () => {
    const invalid = expect.objectContaining({ code: 'signing-key-invalid' });
    await expect(clearsign(RELEASE, key.armoredPublic, now)).rejects.toThrow(invalid);
    await expect(detachSign(RELEASE, 'x', now)).rejects.toThrow(invalid);
    const failed = expect.objectContaining({ code: 'signing-failed' });
    await expect(clearsign(RELEASE, key.armoredPrivate, new Date(0))).rejects.toThrow(failed);
  });
});
