import { createCleartextMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { describe, expect, test } from 'vitest';
import { issuerKeyIds, keyIdsOf } from './issuers.ts';

const userIDs = [{ name: 'Package Tester', email: 'tester@example.org' }];

describe('key ids', () => {
  test('a signature by a subkey names that subkey, which is among the ids of its key', async () => {
    const { privateKey, publicKey } = await generateKey({
      ...{ type: 'ecc', curve: 'ed25519Legacy', userIDs, format: 'armored', subkeys: [{ sign: true }, {}] },
    });
    const ids = await keyIdsOf(publicKey);
    expect(ids).toHaveLength(3);
    const signingKeys = await readPrivateKey({ armoredKey: privateKey });
    const text = await sign({ message: await createCleartextMessage({ text: 'Source: x\n' }), signingKeys });
    const [issuer, ...others] = await issuerKeyIds(text);
    expect(others).toEqual([]);
    expect(ids).toContain(issuer);
    expect(issuer).toMatch(/^[0-9A-F]{16}$/);
    expect(issuer).not.toBe(ids[0]); // the primary key's comes first
  });

  test('of what is signed by noise are none; of what is not signed at all is an error', async () => {
    const noise =
      '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n';
    expect(await issuerKeyIds(noise)).toEqual([]);
    await expect(issuerKeyIds('Source: x\n')).rejects.toMatchObject({ code: 'signature-missing' });
    await expect(keyIdsOf('no key')).rejects.toThrow(/armor/i);
  });
});
