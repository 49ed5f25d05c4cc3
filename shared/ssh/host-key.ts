/** A host's own key, asked of the host itself: what ssh shows before it is known. */
import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';
import { AppError } from '../errors/app-error.ts';

const ANSWER_TIMEOUT_MS = 15_000;
/** Best first; the first one that the host has is pinned. */
const KEY_TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
] as const;

/** `ssh-ed25519 AAAA...` of whoever answers at the address; logs in nowhere. Throws `ssh-unreachable`. */
export async function fetchHostKey(address: string, port: number): Promise<string> {
  const client = new ssh2.Client();
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (message: string): void => {
        const hint = 'Is sshd running there, and does it have an Ed25519 or ECDSA key (ssh-keygen -A)?';
        const where = `${address}:${String(port)}`;
        reject(new AppError('ssh-unreachable', `No SSH server answers at ${where}: ${message}`, { hint }));
      };
      client.once('error', (error) => fail(error.message));
      client.once('close', () => fail('connection closed'));
      client.connect({
        host: address,
        port,
        username: 'nobody',
        algorithms: { serverHostKey: [...KEY_TYPES] },
        hostVerifier: (key: Buffer) => {
          resolve(`${keyType(key)} ${key.toString('base64')}`);
          return false; // that is all
        },
        readyTimeout: ANSWER_TIMEOUT_MS,
      });
    });
  } finally {
    client.on('error', () => undefined);
    client.destroy();
  }
}

/** The name that every SSH key blob begins with (RFC 4253, 6.6). */
function keyType(blob: Buffer): string {
  return blob.toString('latin1', 4, 4 + blob.readUInt32BE(0));
}

/** `SHA256:...` as ssh-keygen -l shows it, of an OpenSSH public key line. */
export function keyFingerprint(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}`;
}
