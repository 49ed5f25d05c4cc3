/** Checks key text before it is stored: what is not exactly one good public key is refused. */
import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';
import { AppError } from '../../../shared/errors/app-error.ts';
import { keyIdsOf } from '../../../shared/openpgp/issuers.ts';
import { readPublicKey } from '../../../shared/openpgp/keys.ts';

/** A 16384-bit RSA key's line has under 3,000 characters. */
const MAX_SSH_KEY_LENGTH = 8_192;
const SSH_KEY_TYPES = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/;
/** FIDO tokens' keys: sshd knows them, drop's SSH library cannot verify their signatures. */
const TOKEN_KEY_TYPE = /^sk-(ssh|ecdsa)-/;

export interface SshKey {
  /** `SHA256:...` as ssh-keygen(1) prints it. */
  fingerprint: string;
  /** Type, base64 and comment; options are refused. */
  line: string;
}

export interface OpenPgpKey {
  /** Of the primary key, upper-case hexadecimal. */
  fingerprint: string;
  /** Written anew by shared/openpgp, without what stood around it. */
  armored: string;
  /** Of the primary key and its subkeys, 64 bits, upper-case hexadecimal. */
  keyIds: string[];
}

function invalidSshKey(message: string): AppError {
  return new AppError('ssh-key-invalid', message, {
    hint: 'Give one OpenSSH public key line, as in ~/.ssh/id_ed25519.pub.',
  });
}

/**
 * Reads one OpenSSH public key line. Throws `ssh-key-invalid`, without the text
 * (it may be a private key), and `ssh-key-unsupported`.
 */
export function readSshKey(text: string): SshKey {
  const line = text.trim();
  if (line.includes('PRIVATE KEY')) throw invalidSshKey('This is a private key; keep it to yourself');
  if (line === '' || line.length > MAX_SSH_KEY_LENGTH || /\p{Cc}/u.test(line)) {
    throw invalidSshKey('This is not one line of an OpenSSH public key');
  }
  const [type = '', base64 = '', ...comment] = line.split(/ +/);
  if (TOKEN_KEY_TYPE.test(type)) {
    throw new AppError('ssh-key-unsupported', `Keys of security tokens (${type}) cannot be verified here`, {
      hint: 'Give a key without a token, made with: ssh-keygen -t ed25519',
    });
  }
  if (!SSH_KEY_TYPES.test(type)) {
    throw invalidSshKey(
      'An SSH key line starts with ssh-ed25519, ssh-rsa or ecdsa-sha2-nistp..., no options',
    );
  }
  const parsed = ssh2.utils.parseKey(`${type} ${base64}`);
  if (parsed instanceof Error || Array.isArray(parsed)) throw invalidSshKey('The SSH key cannot be read');
  const blob = parsed.getPublicSSH();
  const hash = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
  return {
    fingerprint: `SHA256:${hash}`,
    line: [type, blob.toString('base64'), ...comment].join(' '),
  };
}

/**
 * Reads one armored OpenPGP public key. Throws `key-revoked`, `key-expired`, and what `readPublicKey`
 * throws: `key-invalid`, `key-is-private`.
 */
export async function readOpenPgpKey(text: string): Promise<OpenPgpKey> {
  const { fingerprint, armored, revoked, expiresAt } = await readPublicKey(text);
  if (revoked) throw new AppError('key-revoked', `OpenPGP key ${fingerprint} is revoked`);
  if (expiresAt && expiresAt.getTime() <= Date.now()) {
    throw new AppError('key-expired', `OpenPGP key ${fingerprint} is expired`, {
      hint: 'Extend it with gpg --quick-set-expire, then export it again.',
    });
  }
  return { fingerprint, armored, keyIds: await keyIdsOf(armored) };
}
