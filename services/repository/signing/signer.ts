/**
 * How the repository gets signatures: it asks a signer, which is another process (client.ts) or, in tests,
 * the same code in this one. What is here has no private key.
 */
import { AppError, messageOf } from '../../../shared/errors/app-error.ts';
import type { Gives, KeyringView, OperationName, ReleaseToSign, SignedRelease, Takes } from './protocol.ts';

export interface PublicKey {
  /** Of the keys that sign, oldest first, upper-case hexadecimal, joined by commas. */
  fingerprint: string;
  /** All that clients should know: announced and active keys in one block. */
  armored: string;
  binary: Uint8Array;
}

/** What went wrong at last; null while signatures come. */
export interface SigningTrouble {
  code: string;
  message: string;
  since: Date;
}

/** Carries one operation to whoever does it. */
export type Ask = <Name extends OperationName>(operation: Name, value: Takes<Name>) => Promise<Gives<Name>>;

export interface SignerOptions {
  ask: Ask;
  /** What is known without asking. */
  known?: KeyringView;
  close?: () => Promise<void>;
  /** Told of each signature that was asked for. */
  onSigned?: ((result: 'ok' | 'failed') => void) | undefined;
}

export class Signer {
  readonly ask: Ask;
  readonly #close: () => Promise<void>;
  readonly #onSigned: (result: 'ok' | 'failed') => void;
  #keyring: KeyringView | null;
  #trouble: SigningTrouble | null = null;

  constructor({ ask, known, close, onSigned }: SignerOptions) {
    this.ask = ask;
    this.#keyring = known ?? null;
    this.#onSigned = onSigned ?? (() => undefined);
    this.#close = close ?? (() => Promise.resolve());
  }

  /** The keys as they were at the last {@link refresh}. Throws `signer-not-asked` before the first. */
  get keyring(): KeyringView {
    if (this.#keyring) return this.#keyring;
    throw new AppError('signer-not-asked', 'The archive keys have not been asked for yet');
  }

  get publicKey(): PublicKey {
    const { signing, publicArmored, publicBase64 } = this.keyring;
    const binary = new Uint8Array(Buffer.from(publicBase64, 'base64'));
    return { fingerprint: signing.join(), armored: publicArmored, binary };
  }

  /** The same, or null before the first. */
  get known(): KeyringView | null {
    return this.#keyring;
  }

  /** Fingerprints of the keys that sign, as far as they are known. */
  get signing(): readonly string[] {
    return this.#keyring?.signing ?? [];
  }

  /** What the last signature or question failed of, or null. */
  get trouble(): SigningTrouble | null {
    return this.#trouble;
  }

  /** Asks which keys there are now. Throws `signer-unavailable` and what reading keys throws. */
  async refresh(): Promise<KeyringView> {
    const keyring = await this.#watched('signer', () => this.ask('keys', {}));
    this.#keyring = keyring;
    // Extended, unlocked, put back: what a key was in the way of is tried again, and nobody need be alarmed.
    const isMended = keyring.keys.every((key) => key.problem === null);
    if (isMended && this.#trouble?.code.startsWith('signing-key-') === true) this.#trouble = null;
    return keyring;
  }

  /**
   * Release signed by each of the keys that sign now. Throws `signing-key-expired`, `signing-key-locked`,
   * `signing-gpg-failed`, `signing-too-often`, `signer-unavailable`, and leaves nothing behind then.
   */
  async sign(release: Omit<ReleaseToSign, 'keys'>): Promise<SignedRelease> {
    const keys = this.keyring.signing;
    return this.#watched('signature', () => this.ask('sign', { ...release, keys }));
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** A question that is answered ends the trouble of questions; only a signature ends that of signatures. */
  async #watched<T>(kind: 'signer' | 'signature', work: () => Promise<T>): Promise<T> {
    try {
      const value = await work();
      if (kind === 'signature') this.#onSigned('ok');
      if (kind === 'signature' || this.#trouble?.code.startsWith('signer-') === true) this.#trouble = null;
      return value;
    } catch (error) {
      if (kind === 'signature') this.#onSigned('failed');
      const code = error instanceof AppError ? error.code : 'signer-failed';
      const since = this.#trouble?.code === code ? this.#trouble.since : new Date();
      this.#trouble = { code, message: messageOf(error), since };
      throw error;
    }
  }
}
