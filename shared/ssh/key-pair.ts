import { link, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { runChecked } from '../process/run.ts';
import { hasErrno } from '../errors/app-error.ts';
import { writeFileDurably } from '../files/durable.ts';

export interface KeyPair {
  /** Path of the OpenSSH private key, mode 0600. */
  privateFile: string;
  /** Path of the public key line. */
  publicFile: string;
  /** `ssh-ed25519 AAAA... comment` */
  publicKey: string;
}

/** The Ed25519 key pair at `file`, made with ssh-keygen(1) if it is not there; safe against two makers at once. */
export async function ensureKeyPair(file: string, comment: string): Promise<KeyPair> {
  const publicFile = `${file}.pub`;
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const existing = await readFile(publicFile, 'utf8').catch(() => null);
  if (existing === null) {
    const folder = await mkdtemp(path.join(path.dirname(file), '.new-key-'));
    try {
      const made = path.join(folder, 'key');
      await runChecked(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', made]);
      // The private key first: whoever sees the public one may rely on both.
      const won = await link(made, file).then(
        () => true,
        (error: unknown) => {
          if (hasErrno(error, 'EEXIST')) return false;
          throw error;
        },
      );
      if (won) await link(`${made}.pub`, publicFile);
      else await restorePublicKey(file, publicFile);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return { privateFile: file, publicFile, publicKey: (await readFile(publicFile, 'utf8')).trim() };
}

/** A maker was killed between the two files, or is between them now: the public half follows from the private. */
async function restorePublicKey(file: string, publicFile: string): Promise<void> {
  const { stdout } = await runChecked(['ssh-keygen', '-y', '-f', file]);

  await writeFileDurably(publicFile, stdout);
}
