/**
 * Keys that gpg holds: in its own keyring behind an agent, or on a smartcard. gpg is asked through its agent,
 * which has the passphrase or asks the card for its PIN; nothing here ever sees either. The signer's copy of
 * the public key is asked for again from time to time, since an admin extends such a key by gpg itself.
 */
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import { clearsignedPackets, type ReleaseSignature } from '../../../shared/openpgp/release-signature.ts';
import { minimalEnvironment, runChecked } from '../../../shared/process/run.ts';

export interface GpgKey {
  fingerprint: string;
  /** GNUPGHOME; default: gpg's own. */
  homedir?: string | undefined;
}

/** A card that waits for its button is given this long. */
const GPG_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

async function gpg(key: GpgKey, args: string[], input?: string): Promise<Buffer> {
  const home = key.homedir === undefined ? [] : ['--homedir', key.homedir];
  const argv = ['gpg', ...home, '--batch', '--no-tty', '--no-options', '--digest-algo', 'SHA512', ...args];
  const { stdout } = await runChecked(argv as [string, ...string[]], {
    ...{ env: minimalEnvironment(), timeoutMs: GPG_TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES },
    ...(input === undefined ? {} : { input }),
  }).catch((cause: unknown) => {
    throw new AppError('signing-gpg-failed', `gpg cannot use key ${key.fingerprint}: ${messageOf(cause)}`, {
      hint: 'Try it by hand as the same user: gpg --batch --local-user FINGERPRINT --detach-sign. Is the agent unlocked, the card in?',
      cause,
    });
  });
  return stdout;
}

/** The public key, armored. Throws `signing-gpg-failed`, also when gpg does not know it. */
export async function gpgPublicKey(key: GpgKey): Promise<string> {
  const armored = (await gpg(key, ['--armor', '--export', key.fingerprint])).toString('utf8');
  if (armored.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----')) return armored;
  throw new AppError('signing-gpg-failed', `gpg has no key ${key.fingerprint}`, {
    hint: 'repository.keys names a fingerprint and perhaps a homedir: gpg --list-secret-keys shows them.',
  });
}

/** Both signatures of one Release. Throws `signing-gpg-failed` and `signing-failed`. */
export async function gpgSignRelease(text: string, key: GpgKey): Promise<ReleaseSignature> {
  const user = ['--local-user', key.fingerprint];
  // One after the other: a smartcard does one thing at a time.
  const inline = await gpg(key, [...user, '--clearsign'], text);
  const binary = await gpg(key, [...user, '--detach-sign'], text);
  return {
    text: await clearsignedPackets(inline.toString('utf8'), text),
    binary: new Uint8Array(binary),
  };
}
