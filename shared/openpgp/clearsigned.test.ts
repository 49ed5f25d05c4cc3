import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyClearsigned, type PublicKeyRecord } from './clearsigned.ts';
import { GnupgHome } from './gnupg-home.fixture.ts';

const TEXT = 'Source: hello\nDescription: Grüße\n - dashed\n\n-----BEGIN PGP SIGNATURE-----\n- x\nFrom: y\n';
const DAY_MS = 24 * 60 * 60 * 1000;
const LONG_AGO = ['--faked-system-time', '20200101T000000'];

let home: GnupgHome;
let keys: PublicKeyRecord[];
let signer: string;
let signed: string;

async function record(fingerprint: string): Promise<PublicKeyRecord> {
  return { fingerprint, armored: await home.export(fingerprint) };
}

function refusal(code: string): unknown {
  return expect.objectContaining({ code });
}

/** A signature is dated in whole seconds and may be a moment younger than this test's clock reading. */
const now = new Date(Date.now() + 60_000);
const verify = (text: string, from = keys, at = now): Promise<unknown> => verifyClearsigned(text, from, at);

beforeAll(async () => {
  home = await GnupgHome.make();
  signer = await home.generate('Uploader <uploader@example.org>', 'ed25519', 'never');
  keys = [await record(signer)];
  signed = await home.clearsign(signer, TEXT);
}, 60_000);

afterAll(() => home.remove());

describe('verifyClearsigned on what gpg signed', () => {
  it('gives signer, content and time', async () => {
    const result = await verifyClearsigned(signed, keys, now);
    expect(result).toMatchObject({ fingerprint: signer, content: TEXT });
    expect(Math.abs(result.signedAt.getTime() - Date.now())).toBeLessThan(120_000);
  });

  it('takes CRLF line ends and a fingerprint in lower case', async () => {
    const lower = keys.map((key) => ({ ...key, fingerprint: key.fingerprint.toLowerCase() }));
    await expect(verify(signed.replaceAll('\n', '\r\n'), lower)).resolves.toMatchObject({ content: TEXT });
  });

  it('drops blanks at line ends, which no signature covers', async () => {
    await expect(verify(signed.replace('Source: hello\n', 'Source: hello \t\n'))).resolves.toMatchObject({
      content: TEXT,
    });
  });

  it('takes RSA keys and signing subkeys', async () => {
    const fingerprint = await home.generate('Rsa <rsa@example.org>', 'rsa2048', 'never');
    await home.gpg(['--quick-add-key', fingerprint, 'ed25519', 'sign', 'never']);
    const text = await home.clearsign(fingerprint, TEXT, ['--digest-algo', 'SHA512']);
    const bySubkey = await verify(text, [...keys, await record(fingerprint)]);
    expect(bySubkey).toMatchObject({ fingerprint });
    const byPrimary = await home.clearsign(`${fingerprint}!`, TEXT);
    await expect(verify(byPrimary, [await record(fingerprint)])).resolves.toMatchObject({ fingerprint });
  });

  it('finds the signer among keys of which one cannot be read', async () => {
    const broken = { fingerprint: 'A'.repeat(40), armored: 'nothing' };
    await expect(verify(signed, [broken, ...keys])).resolves.toMatchObject({ fingerprint: signer });
  });
});

describe('verifyClearsigned refuses', () => {
  it.each([
    ['plain text', () => TEXT.replace('-----BEGIN', ''), 'signature-missing'],
    ['nothing', () => '', 'signature-missing'],
    ['a changed text', () => signed.replace('hello', 'hallo'), 'signature-invalid'],
    ['a line added within', () => signed.replace('Source', 'A: 1\nSource'), 'signature-invalid'],
    ['text before', () => `A: 1\n\n${signed}`, 'signature-invalid'],
    ['an empty line before', () => `\n${signed}`, 'signature-invalid'],
    ['text after', () => `${signed}\nA: 1\n`, 'signature-invalid'],
    ['a second message after', () => signed + signed, 'signature-invalid'],
    [
      'text among the headers',
      () => signed.replace('Hash: SHA256\n', 'Hash: SHA256\nA: 1\n'),
      'signature-invalid',
    ],
    ['blanks for the empty line', () => signed.replace('\n\n', '\n \nA: 1\n\n'), 'signature-invalid'],
    ['a line not escaped', () => signed.replace('- - x', '-- x'), 'signature-invalid'],
    ['a carriage return within a line', () => signed.replace('hello', 'hel\rlo'), 'signature-invalid'],
    ['a NUL', () => signed.replace('hello', 'hello\0'), 'signature-invalid'],
    ['a cut end', () => signed.slice(0, -40), 'signature-invalid'],
    ['a broken signature', () => signed.replace(/\n\n[A-Za-z0-9+/]{20}/g, '\n\nAAAA'), 'signature-invalid'],
  ])('%s', async (_what, make, code) => {
    await expect(verify(make())).rejects.toThrow(refusal(code));
  });

  it('an unknown key, naming it', async () => {
    await expect(verify(signed, [])).rejects.toMatchObject({
      code: 'signature-unknown-key',
      detail: { keyId: signer.slice(-16) },
    });
  });

  it('a record that holds another key than it says', async () => {
    const wrong = keys.map((key) => ({ ...key, fingerprint: 'A'.repeat(40) }));
    await expect(verify(signed, wrong)).rejects.toThrow(refusal('signature-unknown-key'));
  });

  it('a weak digest', async () => {
    const fingerprint = await home.generate('Weak <weak@example.org>', 'rsa2048', 'never');
    const text = await home.clearsign(fingerprint, TEXT, ['--digest-algo', 'SHA1']);
    await expect(verify(text, [await record(fingerprint)])).rejects.toMatchObject({
      code: 'signature-invalid',
      message: expect.stringContaining('digest') as unknown,
    });
  });

  it('a signature from the future', async () => {
    await expect(verify(signed, keys, new Date(Date.now() - DAY_MS))).rejects.toThrow(
      refusal('signature-invalid'),
    );
  });

  it('an expired key, also for a signature made in its time', async () => {
    const fingerprint = await home.generate('Old <old@example.org>', 'ed25519', '2020-02-01', LONG_AGO);
    const text = await home.clearsign(fingerprint, TEXT, LONG_AGO);
    const old = [await record(fingerprint)];
    await expect(verify(text, old)).rejects.toThrow(refusal('key-expired'));
    await expect(verify(text, old, new Date('2020-01-15'))).resolves.toMatchObject({ fingerprint });
  });

  it('an expired signing subkey', async () => {
    const fingerprint = await home.generate('Sub <sub@example.org>', 'ed25519', 'never', LONG_AGO);
    await home.gpg([...LONG_AGO, '--quick-add-key', fingerprint, 'ed25519', 'sign', '2020-02-01']);
    const text = await home.clearsign(fingerprint, TEXT, LONG_AGO);
    await expect(verify(text, [await record(fingerprint)])).rejects.toThrow(refusal('key-expired'));
  });

  it('a revoked key', async () => {
    const fingerprint = await home.generate('Lost <lost@example.org>', 'ed25519', 'never');
    const text = await home.clearsign(fingerprint, TEXT);
    await home.revoke(fingerprint);
    await expect(verify(text, [await record(fingerprint)])).rejects.toThrow(refusal('key-revoked'));
  });

  it('a detached signature of the same bytes put under the text', async () => {
    const body = TEXT.replace(/\n$/, '');
    const detached = await home.gpg(
      ['--local-user', signer, '--armor', '--detach-sign'],
      body.replaceAll('\n', '\r\n'),
    );
    const forged = signed.slice(0, signed.lastIndexOf('-----BEGIN PGP SIGNATURE')) + detached;
    await expect(verify(forged)).rejects.toThrow('not a text signature');
  });
});
