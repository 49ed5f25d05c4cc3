/**
 * The only thing that uses the archive's private key. What asks for a signature sees this interface, so
 * that the signer can become a process of its own.
 */
import { clearsign, detachSign } from '../../../shared/openpgp/sign.ts';
import type { ArchiveKeyPair } from './archive-key.ts';

export interface PublicKey {
  /** Upper-case hexadecimal. */
  fingerprint: string;
  armored: string;
  binary: Uint8Array;
}

export interface Signer {
  publicKey: PublicKey;
  /** The text within an OpenPGP cleartext signature, as in InRelease. */
  clearsign(text: string): Promise<string>;
  /** An armored detached signature, as in Release.gpg. */
  detachSign(text: string): Promise<string>;
}

/** A signer in this process. */
export function createSigner(key: ArchiveKeyPair): Signer {
  return {
    publicKey: { fingerprint: key.fingerprint, armored: key.publicArmored, binary: key.publicBinary },
    clearsign: (text) => clearsign(text, key.privateArmored, new Date()),
    detachSign: (text) => detachSign(text, key.privateArmored, new Date()),
  };
}
