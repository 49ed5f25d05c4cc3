import { readKey } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { verifyDetached } from './detached.ts';
import { generateArchiveKey, type ArchiveKey } from './keys.ts';
import { readKeyring } from './keyring.ts';
import { clearsign, detachSign } from './sign.ts';

const TEXT = 'Origin: Test\nDate: now\n';
const NOW = new Date();
let key: ArchiveKey;
let other: ArchiveKey;

beforeAll(async () => {
  const made = new Date(NOW.getTime() - 60_000);
  key = await generateArchiveKey({ name: 'Test', email: 'test@example.org', now: made });
  other = await generateArchiveKey({ name: 'Other', email: 'other@example.org', now: made });
});

const record = (from: ArchiveKey) => ({ fingerprint: from.fingerprint, armored: from.armoredPublic });
const sign = (text: string): Promise<string> => detachSign(text, key.armoredPrivate, NOW);

describe('a detached signature', () => {
  it('holds for exactly the bytes that were signed', async () => {
    const signature = Buffer.from(await sign(TEXT));
    const verify = (text: string) =>
      verifyDetached(Buffer.from(text), signature, [record(other), record(key)], NOW);
    expect(await verify(TEXT)).toMatchObject({ fingerprint: key.fingerprint });
    await expect(verify(`${TEXT} `)).rejects.toMatchObject({ code: 'signature-invalid' });
  });

  it('of an unknown key, or what is no signature, is refused', async () => {
    const verify = (signature: string) =>
      verifyDetached(Buffer.from(TEXT), Buffer.from(signature), [record(other)], NOW);
    await expect(verify(await sign(TEXT))).rejects.toMatchObject({ code: 'signature-unknown-key' });
    await expect(verify('nothing')).rejects.toMatchObject({ code: 'signature-invalid' });
    const cleartext = await clearsign(TEXT, key.armoredPrivate, NOW);
    await expect(verify(cleartext)).rejects.toMatchObject({ code: 'signature-invalid' });
  });
});

describe('a keyring', () => {
  it('gives its keys, binary or armored', async () => {
    for (const content of [key.binaryPublic, Buffer.from(key.armoredPublic)]) {
      const [found] = await readKeyring(content, 'the file');
      expect(found).toMatchObject({ fingerprint: key.fingerprint, userId: 'Test <test@example.org>' });
      expect((await readKey({ armoredKey: found?.armored ?? '' })).getFingerprint()).toBe(
        key.fingerprint.toLowerCase(),
      );
    }
    const both = Buffer.concat([key.binaryPublic, other.binaryPublic]);
    expect(await readKeyring(both, 'the file')).toHaveLength(2);
  });

  it('that is none, or that holds a private key, is refused', async () => {
    for (const content of ['nothing', '', key.armoredPrivate]) {
      await expect(readKeyring(Buffer.from(content), 'the file')).rejects.toMatchObject({
        code: 'keyring-invalid',
      });
    }
  });
});
